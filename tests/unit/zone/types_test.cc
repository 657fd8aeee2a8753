#include "zone/types.h"

#include <algorithm>
#include <iterator>

#include <gtest/gtest.h>

namespace zonebridge {
namespace {

TEST(Types, StatesHaveTheNumbersOfTheStandardsAndParseBack) {
    constexpr std::pair<int, const char*> expected[] = {{0x0, "not-write-pointer"},
                                                        {0x1, "empty"},
                                                        {0x2, "implicit-open"},
                                                        {0x3, "explicit-open"},
                                                        {0x4, "closed"},
                                                        {0xD, "read-only"},
                                                        {0xE, "full"},
                                                        {0xF, "offline"}};
    for (const auto& [number, word] : expected) {
        EXPECT_EQ(to_string(static_cast<ZoneState>(number)), word);
        EXPECT_EQ(parse_zone_state(word), static_cast<ZoneState>(number));
    }
    EXPECT_EQ(parse_zone_state("open"), std::nullopt);
    for (int number = 0; number < 256; ++number) {
        const auto known = std::any_of(std::begin(expected), std::end(expected),
                                       [&](const auto& one) { return one.first == number; });
        const auto state = zone_state_of(static_cast<std::uint8_t>(number));
        EXPECT_EQ(state.has_value(), known) << number;
        if (state) {
            EXPECT_EQ(static_cast<int>(*state), number);
        }
    }
}

TEST(Types, TypesAndModelsParseBack) {
    for (const auto type : {ZoneType::conventional, ZoneType::sequential_write_required,
                            ZoneType::sequential_write_preferred})
        EXPECT_EQ(parse_zone_type(to_string(type)), type);
    for (const auto model : {Model::none, Model::host_aware, Model::host_managed})
        EXPECT_EQ(parse_model(to_string(model)), model);
    EXPECT_EQ(parse_model("drive-managed"), std::nullopt);
    EXPECT_EQ(parse_zone_type(""), std::nullopt);
}

}  // namespace
}  // namespace zonebridge
