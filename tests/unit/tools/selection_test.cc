#include "tools/selection.h"

#include <gtest/gtest.h>

#include "base/size.h"

namespace zonebridge::tools {
namespace {

/// Ten zones of 4 MiB, the last of them 2 MiB.
Layout layout() {
    return Layout(38 * MiB, 4 * MiB, 3 * MiB, 2, ZoneType::sequential_write_required);
}

Selection zones(std::uint64_t first, std::uint64_t last) {
    Selection selection;
    selection.zones = ZoneRange{first, last};
    return selection;
}

Selection bytes(std::uint64_t offset, std::optional<std::uint64_t> length = std::nullopt) {
    Selection selection;
    selection.offset = offset;
    selection.length = length;
    return selection;
}

TEST(ParseZoneRange, AcceptsOneNumberOrTwoWithADash) {
    EXPECT_EQ(parse_zone_range("7"), (ZoneRange{7, 7}));
    EXPECT_EQ(parse_zone_range("0-0"), (ZoneRange{0, 0}));
    EXPECT_EQ(parse_zone_range("7-12"), (ZoneRange{7, 12}));
    EXPECT_EQ(parse_zone_range("0-18446744073709551615"), (ZoneRange{0, UINT64_MAX}));
}

TEST(ParseZoneRange, RefusesAnythingElseAndNamesIt) {
    for (const auto* text : {"", "-", "-1", "1-", "1-2-3", "a", "1-b", "1 - 2", "1,2", "0x1", "1K",
                             "99999999999999999999", "2-1"}) {
        const auto range = parse_zone_range(text);
        ASSERT_FALSE(range) << text;
        EXPECT_NE(range.error().find(text), std::string::npos) << range.error();
    }
}

TEST(Resolve, ZoneNumbersMustBeOnTheDisk) {
    const auto all = resolve(zones(0, 9), layout(), "d");
    ASSERT_TRUE(all);
    EXPECT_EQ(all->first, 0U);
    EXPECT_EQ(all->count, 10U);
    const auto last = resolve(zones(9, 9), layout(), "d");
    ASSERT_TRUE(last);
    EXPECT_EQ(last->count, 1U);
    EXPECT_EQ(last->scope, Scope::zones);

    const auto beyond = resolve(zones(3, 10), layout(), "d");
    ASSERT_FALSE(beyond);
    EXPECT_EQ(beyond.error().exit, Exit::failed);
    EXPECT_NE(beyond.error().message.find("no zone 10"), std::string::npos);
    const auto far = resolve(zones(UINT64_MAX - 1, UINT64_MAX), layout(), "d");
    ASSERT_FALSE(far);
    EXPECT_NE(far.error().message.find("no zone 18446744073709551614"), std::string::npos);
}

TEST(Resolve, BytesMustBeWholeZones) {
    const auto one = resolve(bytes(8 * MiB), layout(), "d");
    ASSERT_TRUE(one);
    EXPECT_EQ(one->first, 2U);
    EXPECT_EQ(one->count, 1U);
    const auto three = resolve(bytes(8 * MiB, 12 * MiB), layout(), "d");
    ASSERT_TRUE(three);
    EXPECT_EQ(three->count, 3U);
    const auto with_short_last = resolve(bytes(32 * MiB, 6 * MiB), layout(), "d");
    ASSERT_TRUE(with_short_last);
    EXPECT_EQ(with_short_last->first, 8U);
    EXPECT_EQ(with_short_last->count, 2U);

    EXPECT_FALSE(resolve(bytes(8 * MiB + 1), layout(), "d"));
    EXPECT_FALSE(resolve(bytes(38 * MiB), layout(), "d"));
    EXPECT_FALSE(resolve(bytes(UINT64_MAX), layout(), "d"));
    EXPECT_FALSE(resolve(bytes(8 * MiB, 5 * MiB), layout(), "d"));
    EXPECT_FALSE(resolve(bytes(32 * MiB, 8 * MiB), layout(), "d"));
    EXPECT_FALSE(resolve(bytes(8 * MiB, UINT64_MAX), layout(), "d"));
}

TEST(Resolve, AllSelectsEveryZoneAndFailsWithoutZones) {
    Selection all;
    all.all = true;
    const auto target = resolve(all, layout(), "d");
    ASSERT_TRUE(target);
    EXPECT_EQ(target->scope, Scope::all);
    EXPECT_EQ(target->count, 10U);
    EXPECT_FALSE(
        resolve(all, Layout(MiB, 0, 0, 0, ZoneType::sequential_write_required), "ordinary"));
}

}  // namespace
}  // namespace zonebridge::tools
