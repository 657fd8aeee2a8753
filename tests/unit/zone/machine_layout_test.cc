// How the state machine depends on the shape of the disk: capacity, the last zone, zone types and
// reads. Also reports and restoring.
#include <array>
#include <vector>

#include <gtest/gtest.h>

#include "base/size.h"
#include "tests/unit/zone/support.h"
#include "zone/machine.h"

namespace zonebridge {
namespace {

using test::Disk;
using test::limits_of;
using test::preferred;
using Code = StatusCode;
using enum ZoneState;

TEST(MachineShape, AZoneIsFullAtItsCapacity) {
    const auto limits = limits_of({.zone_capacity = 48 * KiB});
    Machine machine(limits);
    ASSERT_EQ(machine.begin_write(64 * KiB, 44 * KiB), Code::ok);
    machine.advance(64 * KiB, 44 * KiB);
    EXPECT_EQ(machine.state(1), implicit_open);
    EXPECT_EQ(machine.begin_append(64 * KiB, 8 * KiB).error(), Code::crosses_boundary);
    EXPECT_EQ(machine.begin_append(64 * KiB, 4 * KiB).value(), 108 * KiB);
    machine.advance(108 * KiB, 4 * KiB);
    EXPECT_EQ(machine.state(1), full);
    EXPECT_EQ(machine.describe(1).write_pointer, std::nullopt);
    EXPECT_EQ(machine.describe(1).capacity, 48 * KiB);
    EXPECT_EQ(machine.written_end(1), 112 * KiB);
}

TEST(MachineShape, TheShortLastZoneIsFullAtItsEnd) {
    const auto limits = limits_of({.size = 640 * KiB - 24 * KiB, .zone_capacity = 48 * KiB});
    Machine machine(limits);
    const auto start = 576 * KiB;
    EXPECT_EQ(machine.describe(9).length, 40 * KiB);
    EXPECT_EQ(machine.describe(9).capacity, 40 * KiB);
    EXPECT_EQ(machine.begin_append(start, 44 * KiB).error(), Code::crosses_boundary);
    ASSERT_EQ(machine.begin_write(start, 40 * KiB), Code::ok);
    machine.advance(start, 40 * KiB);
    EXPECT_EQ(machine.state(9), full);
    EXPECT_EQ(machine.written_end(9), limits.size());
}

TEST(MachineShape, AZoneNearlyTwoTebibytesLongKeepsItsPointer) {
    const auto size = Layout::max_zone_size;
    const auto limits = limits_of({.size = size * 2, .zone_size = size, .zone_capacity = size});
    Machine machine(limits);
    ASSERT_TRUE(machine.restore(1, closed, (size - 1) / 4096 * 4096));
    const auto pointer = *machine.describe(1).write_pointer;
    EXPECT_EQ(pointer, size + (size - 1) / 4096 * 4096);
    ASSERT_EQ(machine.begin_write(pointer, size * 2 - pointer), Code::ok);
    machine.advance(pointer, size * 2 - pointer);
    EXPECT_EQ(machine.state(1), full);
    EXPECT_EQ(machine.written_end(1), size * 2);
}

TEST(MachineShape, ConventionalZonesTakeWritesAcrossZones) {
    const auto limits = limits_of({.conventional = 4});
    Machine machine(limits);
    EXPECT_EQ(machine.begin_write(512, 200 * KiB), Code::ok);
    machine.advance(512, 200 * KiB);
    EXPECT_EQ(machine.state(0), not_write_pointer);
    EXPECT_EQ(machine.written_end(0), 64 * KiB);
    ASSERT_TRUE(machine.restore(3, read_only, 0));
    EXPECT_EQ(machine.begin_write(512, 200 * KiB), Code::zone_read_only);
    EXPECT_EQ(machine.begin_write(512, 100 * KiB), Code::ok);
    ASSERT_TRUE(machine.restore(3, not_write_pointer, 0));
    EXPECT_EQ(machine.begin_write(512, 200 * KiB), Code::ok);
}

TEST(MachineShape, AWriteOverPreferredZonesOpensAndAdvancesEach) {
    const auto limits = limits_of({.conventional = 1, .type = preferred});
    Machine machine(limits);
    const auto offset = 32 * KiB, length = 176 * KiB;  // half of 0, all of 1 and 2, some of 3
    ASSERT_EQ(machine.begin_write(offset, length), Code::ok);
    EXPECT_EQ(machine.open_count(), 3U);
    machine.advance(offset, length);
    EXPECT_EQ(machine.state(0), not_write_pointer);
    EXPECT_EQ(machine.state(1), full);
    EXPECT_EQ(machine.state(2), full);
    EXPECT_EQ(machine.state(3), implicit_open);
    EXPECT_EQ(machine.describe(3).write_pointer, offset + length);
    EXPECT_EQ(machine.open_count(), 1U);
}

TEST(MachineShape, AWriteOverPreferredZonesSucceedsForAllOrNone) {
    const auto limits = limits_of({.type = preferred});
    Machine machine(limits);
    ASSERT_TRUE(machine.restore(2, offline, 0));
    EXPECT_EQ(machine.begin_write(0, 192 * KiB), Code::zone_offline);
    EXPECT_EQ(machine.open_count(), 0U);
}

TEST(MachineShape, WritesToAPreferredZoneMovePointersForwardOnly) {
    const auto limits = limits_of({.type = preferred});
    Machine machine(limits);
    machine.advance(32 * KiB, 4 * KiB);
    EXPECT_EQ(machine.describe(0).write_pointer, 36 * KiB);
    machine.advance(8 * KiB, 4 * KiB);
    EXPECT_EQ(machine.describe(0).write_pointer, 36 * KiB);
    EXPECT_EQ(machine.begin_append(0, 4 * KiB).value(), 36 * KiB);
    machine.advance(60 * KiB, 4 * KiB);
    EXPECT_EQ(machine.state(0), full);
}

TEST(MachineShape, ADiskWithoutZonesTakesEverything) {
    Limits limits = limits_of({});
    limits.layout = Layout(1024 * KiB, 0, 0, 0, ZoneType::sequential_write_required);
    Machine machine(limits);
    EXPECT_EQ(machine.begin_write(512, 4 * KiB), Code::ok);
    machine.advance(512, 4 * KiB);
    EXPECT_EQ(machine.check_read(0, 1024 * KiB), Code::ok);
    EXPECT_EQ(machine.begin_append(0, 512).error(), Code::not_sequential);
    EXPECT_EQ(machine.act_all(Operation::reset), Code::ok);
    std::array<Zone, 2> zones;
    EXPECT_EQ(machine.report(0, zones), 0U);
    EXPECT_FALSE(machine.restore(0, empty, 0));
}

TEST(MachineShape, ReadsPastThePointerAreRefusedIfTheLimitsSaySo) {
    auto limits = limits_of({.conventional = 1});
    limits.reads_past_pointer = false;
    Machine machine(limits);
    const auto at = [](std::uint32_t zone) { return zone * 64 * KiB; };
    ASSERT_TRUE(machine.restore(1, closed, 8 * KiB));
    ASSERT_TRUE(machine.restore(2, full, 8 * KiB));
    ASSERT_TRUE(machine.restore(3, read_only, 8 * KiB));
    ASSERT_TRUE(machine.restore(4, offline, 8 * KiB));
    EXPECT_EQ(machine.check_read(at(0), 64 * KiB), Code::ok);
    EXPECT_EQ(machine.check_read(at(1), 8 * KiB), Code::ok);
    EXPECT_EQ(machine.check_read(at(1) + 4 * KiB, 4 * KiB + 512), Code::read_past_pointer);
    EXPECT_EQ(machine.check_read(at(1) + 32 * KiB, 512), Code::read_past_pointer);
    EXPECT_EQ(machine.check_read(at(2), 64 * KiB), Code::ok) << "a full zone has no pointer";
    EXPECT_EQ(machine.check_read(at(3), 64 * KiB), Code::ok);
    EXPECT_EQ(machine.check_read(at(4), 512), Code::zone_offline);
    EXPECT_EQ(machine.check_read(at(5), 512), Code::read_past_pointer) << "an empty zone";
    EXPECT_EQ(machine.check_read(at(1), 128 * KiB), Code::read_past_pointer);
    EXPECT_EQ(machine.check_read(at(2), 192 * KiB), Code::zone_offline)
        << "the last of three zones is offline";
    EXPECT_EQ(machine.check_read(at(1), 0), Code::ok);

    limits.reads_past_pointer = true;
    EXPECT_EQ(machine.check_read(at(1), 128 * KiB), Code::ok);
    EXPECT_EQ(machine.check_read(at(4) + 60 * KiB, 8 * KiB), Code::zone_offline);
    auto aware = limits_of({.type = preferred});
    aware.reads_past_pointer = false;
    EXPECT_EQ(Machine(aware).check_read(0, 64 * KiB), Code::ok)
        << "ZBC restricts reads in required zones only";
}

TEST(MachineShape, ReportsFromTheZoneThatHoldsTheOffset) {
    const auto limits =
        limits_of({.size = 632 * KiB, .zone_capacity = 48 * KiB, .conventional = 1});
    Machine machine(limits);
    ASSERT_TRUE(machine.restore(1, explicit_open, 4 * KiB));
    std::array<Zone, 3> zones;
    ASSERT_EQ(machine.report(63 * KiB, zones), 3U);
    EXPECT_EQ(zones[0], (Zone{0, 64 * KiB, 64 * KiB, std::nullopt, ZoneType::conventional,
                              not_write_pointer}));
    EXPECT_EQ(zones[1], (Zone{64 * KiB, 64 * KiB, 48 * KiB, 68 * KiB,
                              ZoneType::sequential_write_required, explicit_open}));
    EXPECT_EQ(zones[2].state, empty);
    EXPECT_EQ(zones[2].write_pointer, 128 * KiB);
    EXPECT_EQ(machine.report(576 * KiB, zones), 1U);
    EXPECT_EQ(zones[0].length, 56 * KiB);
    EXPECT_EQ(machine.report(512 * KiB, zones), 2U);
    EXPECT_EQ(machine.report(632 * KiB, zones), 0U);
    EXPECT_EQ(machine.report(0, {}), 0U);
}

TEST(MachineRestore, AcceptsOnlyStatesThatFitTheZone) {
    struct Row {
        std::uint32_t zone;
        ZoneState state;
        std::uint64_t written;
        bool fits;
    };
    constexpr Row rows[] = {
        {0, not_write_pointer, 0, true},
        {0, not_write_pointer, 64 * KiB, true},
        {0, not_write_pointer, 4 * KiB, false},
        {0, read_only, 64 * KiB, true},
        {0, offline, 0, true},
        {0, empty, 0, false},
        {0, full, 64 * KiB, false},
        {0, closed, 4 * KiB, false},
        {1, not_write_pointer, 0, false},
        {1, empty, 0, true},
        {1, empty, 4 * KiB, false},
        {1, implicit_open, 0, true},
        {1, implicit_open, 44 * KiB, true},
        {1, implicit_open, 48 * KiB, false},
        {1, explicit_open, 4 * KiB, true},
        {1, explicit_open, 48 * KiB, false},
        {1, closed, 4 * KiB, true},
        {1, closed, 48 * KiB, false},
        {1, closed, 512, false},
        {1, full, 0, true},
        {1, full, 4 * KiB, true},
        {1, full, 48 * KiB, true},
        {1, full, 52 * KiB, false},
        {1, read_only, 0, true},
        {1, read_only, 48 * KiB, true},
        {1, offline, 4 * KiB, true},
        {1, offline, 52 * KiB, false},
        {10, empty, 0, false},
        {1, closed, (std::uint64_t{1} << 41) + 4 * KiB, false},  // 4 KiB if cut to 32 bits
        {1, static_cast<ZoneState>(5), 0, false},
        {1, static_cast<ZoneState>(0x12), 4 * KiB, false},  // implicit-open if cut to 4 bits
    };
    const auto limits = limits_of({.zone_capacity = 48 * KiB, .conventional = 1});
    for (const auto& row : rows) {
        SCOPED_TRACE(testing::Message()
                     << row.zone << ' ' << to_string(row.state) << ' ' << row.written);
        Machine machine(limits);
        ASSERT_EQ(machine.restore(row.zone, row.state, row.written), row.fits);
        if (!row.fits) {
            if (row.zone < 10) {
                EXPECT_EQ(machine.state(row.zone), row.zone == 0 ? not_write_pointer : empty);
            }
            EXPECT_EQ(machine.active_count(), 0U);
            continue;
        }
        EXPECT_EQ(machine.state(row.zone), row.state);
        EXPECT_EQ(machine.written_end(row.zone), row.zone == 0 ? 64 * KiB : 64 * KiB + row.written);
    }
    const auto aware = limits_of({.type = preferred});
    EXPECT_TRUE(Machine(aware).restore(1, closed, 512))
        << "preferred zones take writes of logical blocks";
}

TEST(MachineRestore, AZoneWithACapacityOfOddBlocksCanBeFull) {
    const auto limits = limits_of({.zone_capacity = 48 * KiB + 512});
    EXPECT_TRUE(Machine(limits).restore(1, full, 48 * KiB + 512));
}

TEST(MachineRestore, RefusesMoreZonesThanTheLimitsAllow) {
    const auto limits = limits_of({.max_open = 2, .max_active = 3});
    Machine machine(limits);
    EXPECT_TRUE(machine.restore(0, implicit_open, 4 * KiB));
    EXPECT_TRUE(machine.restore(1, explicit_open, 4 * KiB));
    EXPECT_FALSE(machine.restore(2, implicit_open, 4 * KiB));
    EXPECT_FALSE(machine.restore(2, explicit_open, 0));
    EXPECT_EQ(machine.state(2), empty);
    EXPECT_TRUE(machine.restore(2, closed, 4 * KiB));
    EXPECT_FALSE(machine.restore(3, closed, 4 * KiB));
    EXPECT_TRUE(machine.restore(0, explicit_open, 8 * KiB))
        << "a zone that is open already counts once";
    EXPECT_TRUE(machine.restore(0, offline, 8 * KiB));
    EXPECT_TRUE(machine.restore(2, implicit_open, 4 * KiB));
    EXPECT_EQ(machine.open_count(), 2U);
    EXPECT_EQ(machine.active_count(), 2U);
}

TEST(MachineRestore, RestoredZonesMakeRoomInTheOrderOfRestoring) {
    const auto limits = limits_of({.max_open = 2});
    Machine machine(limits);
    ASSERT_TRUE(machine.restore(6, implicit_open, 4 * KiB));
    ASSERT_TRUE(machine.restore(3, implicit_open, 4 * KiB));
    ASSERT_EQ(machine.begin_write(0, 4 * KiB), Code::ok);
    EXPECT_EQ(machine.state(6), closed);
    ASSERT_TRUE(machine.restore(3, offline, 4 * KiB)) << "zone 3 leaves the order";
    ASSERT_EQ(machine.begin_write(64 * KiB, 4 * KiB), Code::ok);
    EXPECT_EQ(machine.open_count(), 2U);
    EXPECT_EQ(machine.state(0), implicit_open);
}

TEST(MachineShape, NothingAllocatesAfterConstruction) {
    const auto limits = limits_of({.max_open = 3, .max_active = 6});
    Machine machine(limits);
    std::array<Zone, 10> zones;
    const auto before = test::allocations();
    for (std::uint64_t round = 0; round < 200; ++round) {
        const auto zone = static_cast<std::uint32_t>(round * 7 % 10);
        const auto where = machine.begin_append(zone * 64 * KiB, 8 * KiB);
        if (where) machine.advance(*where, 8 * KiB);
        static_cast<void>(machine.act(Operation::open, (zone + 3) % 10));
        static_cast<void>(machine.act(Operation::finish, (zone + 5) % 10));
        static_cast<void>(machine.restore((zone + 1) % 10, implicit_open, 4 * KiB));
        if (round % 10 == 9) static_cast<void>(machine.act_all(Operation::reset));
        static_cast<void>(machine.act_all(Operation::open));
        static_cast<void>(machine.report(0, zones));
    }
    EXPECT_EQ(test::allocations(), before);
}

}  // namespace
}  // namespace zonebridge
