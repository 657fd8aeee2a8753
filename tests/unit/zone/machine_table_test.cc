// Every state of a zone times everything that can be asked of it. What is expected comes from the
// standards (ZBC-2's zone condition transitions and INSUFFICIENT ZONE RESOURCES rules, read with
// ZNS's strictness where zone/machine.h says so), row by row.
#include <ostream>
#include <set>

#include <gtest/gtest.h>

#include "tests/unit/zone/support.h"
#include "zone/machine.h"

namespace zonebridge {
namespace {

using test::KiB;
using Code = StatusCode;

enum class Ask {
    write_next,    // 4 KiB at the write pointer (at 8 KiB where there is none)
    write_rest,    // from there to the capacity
    write_ahead,   // 4 KiB behind a hole of 4 KiB
    write_behind,  // the 4 KiB at the zone's start, if that is not where the pointer is
    append,
    append_rest,
    append_too_much,
    read,
    open,
    close,
    finish,
    reset,
    open_all,
    close_all,
    finish_all,
    reset_all,
};

constexpr std::uint64_t capacity = 48 * KiB;
constexpr std::uint64_t half = 8 * KiB;  // what is written in the states that allow something
constexpr std::uint32_t zone = 5;

struct Row {
    ZoneState from;
    Ask ask;
    Code code;
    ZoneState to;
    std::uint64_t written;

    friend std::ostream& operator<<(std::ostream& out, const Row& row) {
        return out << to_string(row.from) << " asked " << static_cast<int>(row.ask);
    }
};

constexpr auto EM = ZoneState::empty;
constexpr auto IO = ZoneState::implicit_open;
constexpr auto EO = ZoneState::explicit_open;
constexpr auto CL = ZoneState::closed;
constexpr auto FU = ZoneState::full;  // finished with 8 KiB written
constexpr auto RO = ZoneState::read_only;
constexpr auto OF = ZoneState::offline;
constexpr auto NW = ZoneState::not_write_pointer;

constexpr Row required_rows[] = {
    {EM, Ask::write_next, Code::ok, IO, 4 * KiB},
    {EM, Ask::write_rest, Code::ok, FU, capacity},
    {EM, Ask::write_ahead, Code::unaligned_write, EM, 0},
    {EM, Ask::append, Code::ok, IO, 4 * KiB},
    {EM, Ask::append_rest, Code::ok, FU, capacity},
    {EM, Ask::append_too_much, Code::crosses_boundary, EM, 0},
    {EM, Ask::read, Code::ok, EM, 0},
    {EM, Ask::open, Code::ok, EO, 0},
    {EM, Ask::close, Code::invalid_transition, EM, 0},
    {EM, Ask::finish, Code::ok, FU, 0},
    {EM, Ask::reset, Code::ok, EM, 0},
    {EM, Ask::open_all, Code::ok, EM, 0},
    {EM, Ask::close_all, Code::ok, EM, 0},
    {EM, Ask::finish_all, Code::ok, EM, 0},
    {EM, Ask::reset_all, Code::ok, EM, 0},

    {IO, Ask::write_next, Code::ok, IO, half + 4 * KiB},
    {IO, Ask::write_rest, Code::ok, FU, capacity},
    {IO, Ask::write_ahead, Code::unaligned_write, IO, half},
    {IO, Ask::write_behind, Code::unaligned_write, IO, half},
    {IO, Ask::append, Code::ok, IO, half + 4 * KiB},
    {IO, Ask::append_rest, Code::ok, FU, capacity},
    {IO, Ask::append_too_much, Code::crosses_boundary, IO, half},
    {IO, Ask::read, Code::ok, IO, half},
    {IO, Ask::open, Code::ok, EO, half},
    {IO, Ask::close, Code::ok, CL, half},
    {IO, Ask::finish, Code::ok, FU, half},
    {IO, Ask::reset, Code::ok, EM, 0},
    {IO, Ask::open_all, Code::ok, IO, half},
    {IO, Ask::close_all, Code::ok, CL, half},
    {IO, Ask::finish_all, Code::ok, FU, half},
    {IO, Ask::reset_all, Code::ok, EM, 0},

    {EO, Ask::write_next, Code::ok, EO, half + 4 * KiB},
    {EO, Ask::write_rest, Code::ok, FU, capacity},
    {EO, Ask::write_ahead, Code::unaligned_write, EO, half},
    {EO, Ask::write_behind, Code::unaligned_write, EO, half},
    {EO, Ask::append, Code::ok, EO, half + 4 * KiB},
    {EO, Ask::append_rest, Code::ok, FU, capacity},
    {EO, Ask::append_too_much, Code::crosses_boundary, EO, half},
    {EO, Ask::read, Code::ok, EO, half},
    {EO, Ask::open, Code::ok, EO, half},
    {EO, Ask::close, Code::ok, CL, half},
    {EO, Ask::finish, Code::ok, FU, half},
    {EO, Ask::reset, Code::ok, EM, 0},
    {EO, Ask::open_all, Code::ok, EO, half},
    {EO, Ask::close_all, Code::ok, CL, half},
    {EO, Ask::finish_all, Code::ok, FU, half},
    {EO, Ask::reset_all, Code::ok, EM, 0},

    {CL, Ask::write_next, Code::ok, IO, half + 4 * KiB},
    {CL, Ask::write_rest, Code::ok, FU, capacity},
    {CL, Ask::write_ahead, Code::unaligned_write, CL, half},
    {CL, Ask::write_behind, Code::unaligned_write, CL, half},
    {CL, Ask::append, Code::ok, IO, half + 4 * KiB},
    {CL, Ask::append_rest, Code::ok, FU, capacity},
    {CL, Ask::append_too_much, Code::crosses_boundary, CL, half},
    {CL, Ask::read, Code::ok, CL, half},
    {CL, Ask::open, Code::ok, EO, half},
    {CL, Ask::close, Code::ok, CL, half},
    {CL, Ask::finish, Code::ok, FU, half},
    {CL, Ask::reset, Code::ok, EM, 0},
    {CL, Ask::open_all, Code::ok, EO, half},
    {CL, Ask::close_all, Code::ok, CL, half},
    {CL, Ask::finish_all, Code::ok, FU, half},
    {CL, Ask::reset_all, Code::ok, EM, 0},

    {FU, Ask::write_next, Code::zone_full, FU, half},
    {FU, Ask::write_rest, Code::zone_full, FU, half},
    {FU, Ask::write_ahead, Code::zone_full, FU, half},
    {FU, Ask::write_behind, Code::zone_full, FU, half},
    {FU, Ask::append, Code::zone_full, FU, half},
    {FU, Ask::append_rest, Code::zone_full, FU, half},
    {FU, Ask::append_too_much, Code::zone_full, FU, half},
    {FU, Ask::read, Code::ok, FU, half},
    {FU, Ask::open, Code::invalid_transition, FU, half},
    {FU, Ask::close, Code::invalid_transition, FU, half},
    {FU, Ask::finish, Code::ok, FU, half},
    {FU, Ask::reset, Code::ok, EM, 0},
    {FU, Ask::open_all, Code::ok, FU, half},
    {FU, Ask::close_all, Code::ok, FU, half},
    {FU, Ask::finish_all, Code::ok, FU, half},
    {FU, Ask::reset_all, Code::ok, EM, 0},

    {RO, Ask::write_next, Code::zone_read_only, RO, half},
    {RO, Ask::write_rest, Code::zone_read_only, RO, half},
    {RO, Ask::write_ahead, Code::zone_read_only, RO, half},
    {RO, Ask::write_behind, Code::zone_read_only, RO, half},
    {RO, Ask::append, Code::zone_read_only, RO, half},
    {RO, Ask::append_rest, Code::zone_read_only, RO, half},
    {RO, Ask::append_too_much, Code::zone_read_only, RO, half},
    {RO, Ask::read, Code::ok, RO, half},
    {RO, Ask::open, Code::zone_read_only, RO, half},
    {RO, Ask::close, Code::zone_read_only, RO, half},
    {RO, Ask::finish, Code::zone_read_only, RO, half},
    {RO, Ask::reset, Code::zone_read_only, RO, half},
    {RO, Ask::open_all, Code::ok, RO, half},
    {RO, Ask::close_all, Code::ok, RO, half},
    {RO, Ask::finish_all, Code::ok, RO, half},
    {RO, Ask::reset_all, Code::ok, RO, half},

    {OF, Ask::write_next, Code::zone_offline, OF, half},
    {OF, Ask::write_rest, Code::zone_offline, OF, half},
    {OF, Ask::write_ahead, Code::zone_offline, OF, half},
    {OF, Ask::write_behind, Code::zone_offline, OF, half},
    {OF, Ask::append, Code::zone_offline, OF, half},
    {OF, Ask::append_rest, Code::zone_offline, OF, half},
    {OF, Ask::append_too_much, Code::zone_offline, OF, half},
    {OF, Ask::read, Code::zone_offline, OF, half},
    {OF, Ask::open, Code::zone_offline, OF, half},
    {OF, Ask::close, Code::zone_offline, OF, half},
    {OF, Ask::finish, Code::zone_offline, OF, half},
    {OF, Ask::reset, Code::zone_offline, OF, half},
    {OF, Ask::open_all, Code::ok, OF, half},
    {OF, Ask::close_all, Code::ok, OF, half},
    {OF, Ask::finish_all, Code::ok, OF, half},
    {OF, Ask::reset_all, Code::ok, OF, half},
};

/// What sequential write preferred zones do differently: they take writes anywhere, full ones too.
constexpr Row preferred_rows[] = {
    {EM, Ask::write_next, Code::ok, IO, 4 * KiB},
    {EM, Ask::write_rest, Code::ok, FU, capacity},
    {EM, Ask::write_ahead, Code::ok, IO, 8 * KiB},
    {IO, Ask::write_ahead, Code::ok, IO, half + 8 * KiB},
    {IO, Ask::write_behind, Code::ok, IO, half},
    {IO, Ask::write_rest, Code::ok, FU, capacity},
    {EO, Ask::write_ahead, Code::ok, EO, half + 8 * KiB},
    {EO, Ask::write_behind, Code::ok, EO, half},
    {CL, Ask::write_ahead, Code::ok, IO, half + 8 * KiB},
    {CL, Ask::write_behind, Code::ok, IO, half},
    {FU, Ask::write_next, Code::ok, FU, half + 4 * KiB},
    {FU, Ask::write_behind, Code::ok, FU, half},
    {FU, Ask::append, Code::zone_full, FU, half},
    {RO, Ask::write_behind, Code::zone_read_only, RO, half},
    {OF, Ask::write_behind, Code::zone_offline, OF, half},
    {EM, Ask::append, Code::ok, IO, 4 * KiB},
    {CL, Ask::append_too_much, Code::crosses_boundary, CL, half},
    {EM, Ask::open, Code::ok, EO, 0},
    {IO, Ask::close, Code::ok, CL, half},
    {CL, Ask::finish, Code::ok, FU, half},
    {FU, Ask::reset, Code::ok, EM, 0},
    {CL, Ask::open_all, Code::ok, EO, half},
};

constexpr Row conventional_rows[] = {
    {NW, Ask::write_next, Code::ok, NW, 64 * KiB},
    {NW, Ask::write_behind, Code::ok, NW, 64 * KiB},
    {NW, Ask::append, Code::not_sequential, NW, 64 * KiB},
    {NW, Ask::read, Code::ok, NW, 64 * KiB},
    {NW, Ask::open, Code::not_sequential, NW, 64 * KiB},
    {NW, Ask::close, Code::not_sequential, NW, 64 * KiB},
    {NW, Ask::finish, Code::not_sequential, NW, 64 * KiB},
    {NW, Ask::reset, Code::not_sequential, NW, 64 * KiB},
    {NW, Ask::open_all, Code::ok, NW, 64 * KiB},
    {NW, Ask::close_all, Code::ok, NW, 64 * KiB},
    {NW, Ask::finish_all, Code::ok, NW, 64 * KiB},
    {NW, Ask::reset_all, Code::ok, NW, 64 * KiB},
    {RO, Ask::write_next, Code::zone_read_only, RO, 64 * KiB},
    {RO, Ask::read, Code::ok, RO, 64 * KiB},
    {OF, Ask::write_next, Code::zone_offline, OF, 64 * KiB},
    {OF, Ask::read, Code::zone_offline, OF, 64 * KiB},
    {OF, Ask::reset_all, Code::ok, OF, 64 * KiB},
};

Code write(Machine& machine, std::uint64_t offset, std::uint64_t length) {
    const auto code = machine.begin_write(offset, length);
    if (code == Code::ok) machine.advance(offset, length);
    return code;
}

Code append(Machine& machine, std::uint64_t start, std::uint64_t at, std::uint64_t length) {
    const auto where = machine.begin_append(start, length);
    if (!where) return where.error();
    EXPECT_EQ(*where, at) << "an append lands at the write pointer";
    machine.advance(*where, length);
    return Code::ok;
}

Code perform(Machine& machine, Ask ask, std::uint64_t start, std::uint64_t written) {
    const auto at = start + written;
    const auto rest = capacity - written;
    switch (ask) {
        case Ask::write_next:
            return write(machine, at, 4 * KiB);
        case Ask::write_rest:
            return write(machine, at, rest);
        case Ask::write_ahead:
            return write(machine, at + 4 * KiB, 4 * KiB);
        case Ask::write_behind:
            return write(machine, start, 4 * KiB);
        case Ask::append:
            return append(machine, start, at, 4 * KiB);
        case Ask::append_rest:
            return append(machine, start, at, rest);
        case Ask::append_too_much:
            return append(machine, start, at, rest + 4 * KiB);
        case Ask::read:
            return machine.check_read(start, 64 * KiB);
        case Ask::open:
            return machine.act(Operation::open, zone);
        case Ask::close:
            return machine.act(Operation::close, zone);
        case Ask::finish:
            return machine.act(Operation::finish, zone);
        case Ask::reset:
            return machine.act(Operation::reset, zone);
        case Ask::open_all:
            return machine.act_all(Operation::open);
        case Ask::close_all:
            return machine.act_all(Operation::close);
        case Ask::finish_all:
            return machine.act_all(Operation::finish);
        case Ask::reset_all:
            return machine.act_all(Operation::reset);
    }
    return Code::io_error;
}

/// Brings the zone into a state the way a host would; a zone goes offline on its own only.
bool drive(Machine& machine, ZoneState state, std::uint64_t start) {
    if (state == EM || state == NW) return true;
    if (state == RO || state == OF) return false;
    if (state == EO) {
        EXPECT_EQ(machine.act(Operation::open, zone), Code::ok);
    }
    EXPECT_EQ(write(machine, start, half), Code::ok);
    if (state == CL) {
        EXPECT_EQ(machine.act(Operation::close, zone), Code::ok);
    }
    if (state == FU) {
        EXPECT_EQ(machine.act(Operation::finish, zone), Code::ok);
    }
    return true;
}

void expect_row(const Limits& limits, const Row& row, bool driven) {
    Machine machine(limits);
    const auto start = zone * limits.layout.zone_size();
    const auto conventional = limits.layout.is_conventional(zone);
    const auto written = row.from == EM || conventional ? 0 : half;
    if (driven) {
        if (!drive(machine, row.from, start)) return;
    } else {
        ASSERT_TRUE(machine.restore(zone, row.from, written));
    }
    ASSERT_EQ(machine.state(zone), row.from);

    EXPECT_EQ(perform(machine, row.ask, start, written), row.code);
    EXPECT_EQ(machine.state(zone), row.to) << to_string(machine.state(zone));
    EXPECT_EQ(machine.written_end(zone), start + row.written);

    const auto described = machine.describe(zone);
    EXPECT_EQ(described.state, row.to);
    const auto has_pointer = row.to == EM || row.to == IO || row.to == EO || row.to == CL;
    EXPECT_EQ(described.write_pointer,
              has_pointer ? std::optional(start + row.written) : std::nullopt);
    EXPECT_EQ(machine.open_count(), row.to == IO || row.to == EO ? 1U : 0U);
    EXPECT_EQ(machine.active_count(), row.to == IO || row.to == EO || row.to == CL ? 1U : 0U);
    for (std::uint32_t other = 0; other < limits.layout.zone_count(); ++other) {
        if (other == zone) continue;
        EXPECT_EQ(machine.state(other), limits.layout.is_conventional(other) ? NW : EM) << other;
    }
}

void expect_rows(const test::Disk& disk, std::span<const Row> rows) {
    const auto limits = test::limits_of(disk);
    for (const auto& row : rows)
        for (const auto driven : {true, false}) {
            SCOPED_TRACE(testing::Message() << row << (driven ? ", driven" : ", restored"));
            expect_row(limits, row, driven);
        }
}

TEST(MachineTable, TheTableMissesNothing) {
    std::set<std::pair<ZoneState, Ask>> rows;
    for (const auto& row : required_rows)
        EXPECT_TRUE(rows.insert({row.from, row.ask}).second) << row << " stands there twice";
    // In an empty zone the pointer is at the start: nothing is behind it.
    EXPECT_EQ(rows.size(), 7U * 16U - 1U);
}

TEST(MachineTable, RequiredZones) {
    expect_rows({.zone_capacity = capacity}, required_rows);
}

TEST(MachineTable, RequiredZonesUnderLimitsThatAreNotReached) {
    expect_rows({.zone_capacity = capacity, .max_open = 1, .max_active = 1}, required_rows);
}

TEST(MachineTable, RequiredZonesWhoseSizeIsNoPowerOfTwo) {
    expect_rows(
        {.size = 720 * KiB, .zone_size = 72 * KiB, .zone_capacity = capacity, .conventional = 2},
        required_rows);
}

TEST(MachineTable, PreferredZones) {
    expect_rows({.zone_capacity = capacity, .type = ZoneType::sequential_write_preferred},
                preferred_rows);
}

TEST(MachineTable, ConventionalZones) {
    expect_rows({.zone_capacity = capacity, .conventional = 6}, conventional_rows);
}

TEST(MachineTable, WhatIsNoZoneActionIsRefused) {
    const auto limits = test::limits_of({});
    Machine machine(limits);
    for (const auto operation : {Operation::read, Operation::write, Operation::append,
                                 Operation::flush, Operation::report}) {
        EXPECT_EQ(machine.act(operation, 0), Code::invalid_request);
        EXPECT_EQ(machine.act_all(operation), Code::invalid_request);
    }
}

}  // namespace
}  // namespace zonebridge
