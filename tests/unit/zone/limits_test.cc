#include "zone/limits.h"

#include <gtest/gtest.h>

#include "base/size.h"
#include "tests/unit/zone/support.h"

namespace zonebridge {
namespace {

using test::required;
TEST(Layout, FindsZonesWhetherOrNotTheirSizeIsAPowerOfTwo) {
    for (const std::uint64_t zone_size : {64 * KiB, 96 * KiB, std::uint64_t{1077} * MiB}) {
        const Layout layout(zone_size * 7, zone_size, zone_size, 0, required);
        ASSERT_EQ(layout.zone_count(), 7U);
        for (std::uint32_t zone = 0; zone < 7; ++zone) {
            EXPECT_EQ(layout.start_of(zone), zone * zone_size);
            EXPECT_EQ(layout.zone_of(zone * zone_size), zone);
            EXPECT_EQ(layout.zone_of((zone + 1) * zone_size - 1), zone);
            EXPECT_EQ(layout.length_of(zone), zone_size);
        }
    }
}

TEST(Layout, AShortLastZoneHasTheRemainingLengthAndCapacity) {
    // The last zone has 16 KiB, less than the capacity of 48 KiB; then 56 KiB, more than the
    // capacity.
    const Layout shorter(64 * KiB * 3 + 16 * KiB, 64 * KiB, 48 * KiB, 1, required);
    ASSERT_EQ(shorter.zone_count(), 4U);
    EXPECT_EQ(shorter.length_of(3), 16 * KiB);
    EXPECT_EQ(shorter.capacity_of(3), 16 * KiB);
    const Layout longer(64 * KiB * 3 + 56 * KiB, 64 * KiB, 48 * KiB, 1, required);
    EXPECT_EQ(longer.length_of(3), 56 * KiB);
    EXPECT_EQ(longer.capacity_of(3), 48 * KiB);
    EXPECT_EQ(longer.capacity_of(2), 48 * KiB);
    EXPECT_EQ(longer.capacity_of(0), 64 * KiB) << "a conventional zone's capacity is its length";
}

TEST(Layout, ConventionalZonesComeFirst) {
    const Layout layout(100 * 64 * KiB, 64 * KiB, 64 * KiB, 70, required);
    EXPECT_EQ(layout.conventional_count(), 70U);
    for (std::uint32_t zone = 0; zone < 100; ++zone)
        EXPECT_EQ(layout.type_of(zone), zone < 70 ? ZoneType::conventional : required) << zone;
}

TEST(Layout, ADiskWithoutZonesHasNone) {
    const Layout layout(1 * MiB, 0, 0, 0, required);
    EXPECT_EQ(layout.zone_count(), 0U);
    EXPECT_EQ(layout.size(), 1 * MiB);
}

TEST(Layout, FindsNoFaultInValidNumbers) {
    EXPECT_EQ(Layout::find_fault(1 * MiB, 0, 0, 0), std::nullopt);
    EXPECT_EQ(Layout::find_fault(1 * MiB, 64 * KiB, 48 * KiB, 16), std::nullopt);
    EXPECT_EQ(Layout::find_fault(1 * MiB + 512, 96 * KiB, 512, 3), std::nullopt);
    EXPECT_EQ(Layout::find_fault(512, 512, 512, 1), std::nullopt);
    const auto largest = Layout::max_zone_size;
    EXPECT_EQ(Layout::find_fault(largest * 2, largest, largest, 0), std::nullopt);
    EXPECT_EQ(Layout::find_fault(Layout::max_zone_count * 4096, 4096, 4096, 0), std::nullopt);
}

TEST(Layout, NamesTheFaultInInvalidNumbers) {
    struct Row {
        std::uint64_t size, zone_size, capacity, conventional;
        const char* says;
    };
    constexpr std::uint64_t tib = 1024 * 1024 * MiB;
    const Row rows[] = {
        {0, 64 * KiB, 64 * KiB, 0, "no size"},
        {1 * MiB + 1, 64 * KiB, 64 * KiB, 0, "disk size 1048577"},
        {1 * MiB, 0, 0, 1, "without zones"},
        {1 * MiB, 65000, 512, 0, "zone size 65000"},
        {1 * MiB, 64 * KiB, 0, 0, "no capacity"},
        {1 * MiB, 64 * KiB, 1000, 0, "zone capacity 1000"},
        {1 * MiB, 64 * KiB, 128 * KiB, 0, "larger than the zone size 65536"},
        {1 * MiB, 64 * KiB, 64 * KiB, 17, "17 conventional zones"},
        {4 * tib, 2 * tib, 2 * tib, 0, "zone size 2199023255552 is larger"},
        {(Layout::max_zone_count + 1) * 512, 512, 512, 0, "268435457 zones"},
        // Would wrap around if counted in 32 bits.
        {std::uint64_t{1} << 62, 512, 512, 0, "make the zones larger"},
    };
    for (const auto& row : rows) {
        const auto fault =
            Layout::find_fault(row.size, row.zone_size, row.capacity, row.conventional);
        ASSERT_TRUE(fault) << row.says;
        EXPECT_NE(fault->find(row.says), std::string::npos) << *fault;
    }
}

}  // namespace
}  // namespace zonebridge
