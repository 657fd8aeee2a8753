#include "zns/report.h"

#include <gtest/gtest.h>

#include "tests/unit/zns/made_up.h"

namespace zonebridge::zns {
namespace {

using test::Bytes;
using test::describe;
using test::Descriptor;

constexpr std::uint32_t block = 4096;
// Sixteen zones of 1,024 blocks.
constexpr ReportUnits units{block, 1024 * block, std::uint64_t{16} * 1024 * block};

Bytes report_of(const Descriptor& zone) {
    Bytes bytes(128);
    bytes.put(0, 1, 8);
    return describe(bytes, 64, zone);
}

std::string fault(const Descriptor& descriptor) {
    const auto bytes = report_of(descriptor);
    const auto zone = Report(bytes.all()).zone(0, units);
    return zone ? "accepted" : zone.error();
}

TEST(ZnsReport, EveryZoneStateIsDecoded) {
    struct Row {
        unsigned state;
        ZoneState expected;
        std::optional<std::uint64_t> pointer;
    };
    const std::uint64_t start = 2048 * std::uint64_t{block};
    for (const auto& row :
         {Row{1, ZoneState::empty, start}, Row{2, ZoneState::implicit_open, start + 5 * block},
          Row{3, ZoneState::explicit_open, start + 5 * block},
          Row{4, ZoneState::closed, start + 5 * block}, Row{13, ZoneState::read_only, std::nullopt},
          Row{14, ZoneState::full, std::nullopt}, Row{15, ZoneState::offline, std::nullopt}}) {
        const auto bytes = report_of({row.state, 2048, 1000, 2053});
        const auto zone = Report(bytes.all()).zone(0, units);
        ASSERT_TRUE(zone) << zone.error();
        EXPECT_EQ(*zone, (Zone{start, 1024 * block, 1000 * std::uint64_t{block}, row.pointer,
                               ZoneType::sequential_write_required, row.expected}))
            << row.state;
    }
}

TEST(ZnsReport, InvalidDescriptorsAreRefused) {
    EXPECT_EQ(fault({1, 2048, 1000, 2048}), "accepted");
    for (const unsigned state : {0U, 5U, 6U, 7U, 8U, 9U, 10U, 11U, 12U})
        EXPECT_NE(fault({state, 0, 1000, 0}).find("state"), std::string::npos) << state;
    for (const unsigned type : {0U, 1U, 3U, 15U})
        EXPECT_NE(fault({1, 0, 1000, 0, type}).find("type"), std::string::npos) << type;
    EXPECT_NE(fault({1, 16 * 1024, 1000, 0}).find("past the end"), std::string::npos);
    EXPECT_NE(fault({1, ~std::uint64_t{0}, 1000, 0}).find("past the end"), std::string::npos);
    EXPECT_NE(fault({1, 0, ~std::uint64_t{0}, 0}).find("capacity"), std::string::npos);
    EXPECT_NE(fault({2, 0, 1000, ~std::uint64_t{0}}).find("write pointer"), std::string::npos);
    // A full zone has no write pointer: devices report all ones.
    EXPECT_EQ(fault({14, 0, 1000, ~std::uint64_t{0}}), "accepted");
}

TEST(ZnsReport, TheLastZoneMayBeShorter) {
    const auto bytes = report_of({1, 1024, 400, 1024});
    const auto zone = Report(bytes.all()).zone(0, {block, 1024 * block, 1500 * block});
    ASSERT_TRUE(zone);
    EXPECT_EQ(zone->length, 476U * block);
}

TEST(ZnsReport, AWrongZoneCountIsBoundedByTheBuffer) {
    Bytes bytes(64 + 3 * 64 + 63);
    EXPECT_EQ(Report(bytes.put(0, ~std::uint64_t{0}, 8).all()).count(), 3U);
    EXPECT_EQ(Report(bytes.put(0, 2, 8).all()).count(), 2U);
    EXPECT_EQ(Report(bytes.put(0, 0, 8).all()).count(), 0U);
    EXPECT_EQ(Report(std::span(bytes.put(0, 9, 8).all()).first(64)).count(), 0U);
    EXPECT_EQ(Report(std::span(bytes.all()).first(8)).count(), 0U);
    EXPECT_EQ(Report({}).count(), 0U);
}

TEST(ZnsReport, ZonesThatDoNotFitTheLayoutAreRejected) {
    const Layout layout(units.size, units.zone_size, std::uint64_t{1000} * block, 0,
                        ZoneType::sequential_write_required);
    const auto zone = [](const Descriptor& descriptor) {
        const auto bytes = report_of(descriptor);
        return *Report(bytes.all()).zone(0, units);
    };
    EXPECT_EQ(fault_of(zone({2, 2048, 1000, 3048}), 2, layout), nullptr);
    EXPECT_NE(fault_of(zone({2, 2048, 1000, 2050}), 1, layout), nullptr);
    EXPECT_NE(fault_of(zone({2, 2048, 999, 2050}), 2, layout), nullptr);
    EXPECT_NE(fault_of(zone({2, 2048, 1000, 3049}), 2, layout), nullptr);
    EXPECT_NE(fault_of(zone({2, 2048, 1000, 2047}), 2, layout), nullptr);
    EXPECT_EQ(fault_of(zone({15, 2048, 0, 0}), 2, layout), nullptr);
}

}  // namespace
}  // namespace zonebridge::zns
