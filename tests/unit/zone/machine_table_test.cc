// Each state of a zone with each possible call. The expected results come from the standards: the
// zone condition transitions and the rules for INSUFFICIENT ZONE RESOURCES of ZBC-2, and the
// stricter rules of ZNS where zone/machine.h says so.
#include <ostream>
#include <set>

#include <gtest/gtest.h>

#include "base/size.h"
#include "tests/unit/zone/support.h"
#include "zone/machine.h"

namespace zonebridge {
namespace {

using Code = StatusCode;

enum class Call {
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
constexpr std::uint64_t half = 8 * KiB;  // written in the states that can have data
constexpr std::uint32_t zone = 5;

struct Row {
    ZoneState from;
    Call call;
    Code code;
    ZoneState to;
    std::uint64_t written;

    friend std::ostream& operator<<(std::ostream& out, const Row& row) {
        return out << to_string(row.from) << ", call " << static_cast<int>(row.call);
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
    {EM, Call::write_next, Code::ok, IO, 4 * KiB},
    {EM, Call::write_rest, Code::ok, FU, capacity},
    {EM, Call::write_ahead, Code::unaligned_write, EM, 0},
    {EM, Call::append, Code::ok, IO, 4 * KiB},
    {EM, Call::append_rest, Code::ok, FU, capacity},
    {EM, Call::append_too_much, Code::crosses_boundary, EM, 0},
    {EM, Call::read, Code::ok, EM, 0},
    {EM, Call::open, Code::ok, EO, 0},
    {EM, Call::close, Code::invalid_transition, EM, 0},
    {EM, Call::finish, Code::ok, FU, 0},
    {EM, Call::reset, Code::ok, EM, 0},
    {EM, Call::open_all, Code::ok, EM, 0},
    {EM, Call::close_all, Code::ok, EM, 0},
    {EM, Call::finish_all, Code::ok, EM, 0},
    {EM, Call::reset_all, Code::ok, EM, 0},

    {IO, Call::write_next, Code::ok, IO, half + 4 * KiB},
    {IO, Call::write_rest, Code::ok, FU, capacity},
    {IO, Call::write_ahead, Code::unaligned_write, IO, half},
    {IO, Call::write_behind, Code::unaligned_write, IO, half},
    {IO, Call::append, Code::ok, IO, half + 4 * KiB},
    {IO, Call::append_rest, Code::ok, FU, capacity},
    {IO, Call::append_too_much, Code::crosses_boundary, IO, half},
    {IO, Call::read, Code::ok, IO, half},
    {IO, Call::open, Code::ok, EO, half},
    {IO, Call::close, Code::ok, CL, half},
    {IO, Call::finish, Code::ok, FU, half},
    {IO, Call::reset, Code::ok, EM, 0},
    {IO, Call::open_all, Code::ok, IO, half},
    {IO, Call::close_all, Code::ok, CL, half},
    {IO, Call::finish_all, Code::ok, FU, half},
    {IO, Call::reset_all, Code::ok, EM, 0},

    {EO, Call::write_next, Code::ok, EO, half + 4 * KiB},
    {EO, Call::write_rest, Code::ok, FU, capacity},
    {EO, Call::write_ahead, Code::unaligned_write, EO, half},
    {EO, Call::write_behind, Code::unaligned_write, EO, half},
    {EO, Call::append, Code::ok, EO, half + 4 * KiB},
    {EO, Call::append_rest, Code::ok, FU, capacity},
    {EO, Call::append_too_much, Code::crosses_boundary, EO, half},
    {EO, Call::read, Code::ok, EO, half},
    {EO, Call::open, Code::ok, EO, half},
    {EO, Call::close, Code::ok, CL, half},
    {EO, Call::finish, Code::ok, FU, half},
    {EO, Call::reset, Code::ok, EM, 0},
    {EO, Call::open_all, Code::ok, EO, half},
    {EO, Call::close_all, Code::ok, CL, half},
    {EO, Call::finish_all, Code::ok, FU, half},
    {EO, Call::reset_all, Code::ok, EM, 0},

    {CL, Call::write_next, Code::ok, IO, half + 4 * KiB},
    {CL, Call::write_rest, Code::ok, FU, capacity},
    {CL, Call::write_ahead, Code::unaligned_write, CL, half},
    {CL, Call::write_behind, Code::unaligned_write, CL, half},
    {CL, Call::append, Code::ok, IO, half + 4 * KiB},
    {CL, Call::append_rest, Code::ok, FU, capacity},
    {CL, Call::append_too_much, Code::crosses_boundary, CL, half},
    {CL, Call::read, Code::ok, CL, half},
    {CL, Call::open, Code::ok, EO, half},
    {CL, Call::close, Code::ok, CL, half},
    {CL, Call::finish, Code::ok, FU, half},
    {CL, Call::reset, Code::ok, EM, 0},
    {CL, Call::open_all, Code::ok, EO, half},
    {CL, Call::close_all, Code::ok, CL, half},
    {CL, Call::finish_all, Code::ok, FU, half},
    {CL, Call::reset_all, Code::ok, EM, 0},

    {FU, Call::write_next, Code::zone_full, FU, half},
    {FU, Call::write_rest, Code::zone_full, FU, half},
    {FU, Call::write_ahead, Code::zone_full, FU, half},
    {FU, Call::write_behind, Code::zone_full, FU, half},
    {FU, Call::append, Code::zone_full, FU, half},
    {FU, Call::append_rest, Code::zone_full, FU, half},
    {FU, Call::append_too_much, Code::zone_full, FU, half},
    {FU, Call::read, Code::ok, FU, half},
    {FU, Call::open, Code::invalid_transition, FU, half},
    {FU, Call::close, Code::invalid_transition, FU, half},
    {FU, Call::finish, Code::ok, FU, half},
    {FU, Call::reset, Code::ok, EM, 0},
    {FU, Call::open_all, Code::ok, FU, half},
    {FU, Call::close_all, Code::ok, FU, half},
    {FU, Call::finish_all, Code::ok, FU, half},
    {FU, Call::reset_all, Code::ok, EM, 0},

    {RO, Call::write_next, Code::zone_read_only, RO, half},
    {RO, Call::write_rest, Code::zone_read_only, RO, half},
    {RO, Call::write_ahead, Code::zone_read_only, RO, half},
    {RO, Call::write_behind, Code::zone_read_only, RO, half},
    {RO, Call::append, Code::zone_read_only, RO, half},
    {RO, Call::append_rest, Code::zone_read_only, RO, half},
    {RO, Call::append_too_much, Code::zone_read_only, RO, half},
    {RO, Call::read, Code::ok, RO, half},
    {RO, Call::open, Code::zone_read_only, RO, half},
    {RO, Call::close, Code::zone_read_only, RO, half},
    {RO, Call::finish, Code::zone_read_only, RO, half},
    {RO, Call::reset, Code::zone_read_only, RO, half},
    {RO, Call::open_all, Code::ok, RO, half},
    {RO, Call::close_all, Code::ok, RO, half},
    {RO, Call::finish_all, Code::ok, RO, half},
    {RO, Call::reset_all, Code::ok, RO, half},

    {OF, Call::write_next, Code::zone_offline, OF, half},
    {OF, Call::write_rest, Code::zone_offline, OF, half},
    {OF, Call::write_ahead, Code::zone_offline, OF, half},
    {OF, Call::write_behind, Code::zone_offline, OF, half},
    {OF, Call::append, Code::zone_offline, OF, half},
    {OF, Call::append_rest, Code::zone_offline, OF, half},
    {OF, Call::append_too_much, Code::zone_offline, OF, half},
    {OF, Call::read, Code::zone_offline, OF, half},
    {OF, Call::open, Code::zone_offline, OF, half},
    {OF, Call::close, Code::zone_offline, OF, half},
    {OF, Call::finish, Code::zone_offline, OF, half},
    {OF, Call::reset, Code::zone_offline, OF, half},
    {OF, Call::open_all, Code::ok, OF, half},
    {OF, Call::close_all, Code::ok, OF, half},
    {OF, Call::finish_all, Code::ok, OF, half},
    {OF, Call::reset_all, Code::ok, OF, half},
};

/// Where sequential write preferred zones differ: they take writes anywhere, also when full.
constexpr Row preferred_rows[] = {
    {EM, Call::write_next, Code::ok, IO, 4 * KiB},
    {EM, Call::write_rest, Code::ok, FU, capacity},
    {EM, Call::write_ahead, Code::ok, IO, 8 * KiB},
    {IO, Call::write_ahead, Code::ok, IO, half + 8 * KiB},
    {IO, Call::write_behind, Code::ok, IO, half},
    {IO, Call::write_rest, Code::ok, FU, capacity},
    {EO, Call::write_ahead, Code::ok, EO, half + 8 * KiB},
    {EO, Call::write_behind, Code::ok, EO, half},
    {CL, Call::write_ahead, Code::ok, IO, half + 8 * KiB},
    {CL, Call::write_behind, Code::ok, IO, half},
    {FU, Call::write_next, Code::ok, FU, half + 4 * KiB},
    {FU, Call::write_behind, Code::ok, FU, half},
    {FU, Call::append, Code::zone_full, FU, half},
    {RO, Call::write_behind, Code::zone_read_only, RO, half},
    {OF, Call::write_behind, Code::zone_offline, OF, half},
    {EM, Call::append, Code::ok, IO, 4 * KiB},
    {CL, Call::append_too_much, Code::crosses_boundary, CL, half},
    {EM, Call::open, Code::ok, EO, 0},
    {IO, Call::close, Code::ok, CL, half},
    {CL, Call::finish, Code::ok, FU, half},
    {FU, Call::reset, Code::ok, EM, 0},
    {CL, Call::open_all, Code::ok, EO, half},
};

constexpr Row conventional_rows[] = {
    {NW, Call::write_next, Code::ok, NW, 64 * KiB},
    {NW, Call::write_behind, Code::ok, NW, 64 * KiB},
    {NW, Call::append, Code::not_sequential, NW, 64 * KiB},
    {NW, Call::read, Code::ok, NW, 64 * KiB},
    {NW, Call::open, Code::not_sequential, NW, 64 * KiB},
    {NW, Call::close, Code::not_sequential, NW, 64 * KiB},
    {NW, Call::finish, Code::not_sequential, NW, 64 * KiB},
    {NW, Call::reset, Code::not_sequential, NW, 64 * KiB},
    {NW, Call::open_all, Code::ok, NW, 64 * KiB},
    {NW, Call::close_all, Code::ok, NW, 64 * KiB},
    {NW, Call::finish_all, Code::ok, NW, 64 * KiB},
    {NW, Call::reset_all, Code::ok, NW, 64 * KiB},
    {RO, Call::write_next, Code::zone_read_only, RO, 64 * KiB},
    {RO, Call::read, Code::ok, RO, 64 * KiB},
    {OF, Call::write_next, Code::zone_offline, OF, 64 * KiB},
    {OF, Call::read, Code::zone_offline, OF, 64 * KiB},
    {OF, Call::reset_all, Code::ok, OF, 64 * KiB},
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

Code perform(Machine& machine, Call call, std::uint64_t start, std::uint64_t written) {
    const auto at = start + written;
    const auto rest = capacity - written;
    switch (call) {
        case Call::write_next:
            return write(machine, at, 4 * KiB);
        case Call::write_rest:
            return write(machine, at, rest);
        case Call::write_ahead:
            return write(machine, at + 4 * KiB, 4 * KiB);
        case Call::write_behind:
            return write(machine, start, 4 * KiB);
        case Call::append:
            return append(machine, start, at, 4 * KiB);
        case Call::append_rest:
            return append(machine, start, at, rest);
        case Call::append_too_much:
            return append(machine, start, at, rest + 4 * KiB);
        case Call::read:
            return machine.check_read(start, 64 * KiB);
        case Call::open:
            return machine.act(Operation::open, zone);
        case Call::close:
            return machine.act(Operation::close, zone);
        case Call::finish:
            return machine.act(Operation::finish, zone);
        case Call::reset:
            return machine.act(Operation::reset, zone);
        case Call::open_all:
            return machine.act_all(Operation::open);
        case Call::close_all:
            return machine.act_all(Operation::close);
        case Call::finish_all:
            return machine.act_all(Operation::finish);
        case Call::reset_all:
            return machine.act_all(Operation::reset);
    }
    return Code::io_error;
}

/// Brings the zone into a state with a host's commands. Returns false if no command leads there.
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

    EXPECT_EQ(perform(machine, row.call, start, written), row.code);
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

TEST(MachineTable, TheTableHasEveryStateWithEveryCall) {
    std::set<std::pair<ZoneState, Call>> rows;
    for (const auto& row : required_rows)
        EXPECT_TRUE(rows.insert({row.from, row.call}).second) << row << " is in the table twice";
    // An empty zone has no write_behind, because its pointer is at its start.
    EXPECT_EQ(rows.size(), 7U * 16U - 1U);
}

TEST(MachineTable, RequiredZonesFollowTheTable) {
    expect_rows({.zone_capacity = capacity}, required_rows);
}

TEST(MachineTable, RequiredZonesFollowTheTableBelowTheLimits) {
    expect_rows({.zone_capacity = capacity, .max_open = 1, .max_active = 1}, required_rows);
}

TEST(MachineTable, RequiredZonesFollowTheTableIfTheirSizeIsNoPowerOfTwo) {
    expect_rows(
        {.size = 720 * KiB, .zone_size = 72 * KiB, .zone_capacity = capacity, .conventional = 2},
        required_rows);
}

TEST(MachineTable, PreferredZonesFollowTheTable) {
    expect_rows({.zone_capacity = capacity, .type = ZoneType::sequential_write_preferred},
                preferred_rows);
}

TEST(MachineTable, ConventionalZonesFollowTheTable) {
    expect_rows({.zone_capacity = capacity, .conventional = 6}, conventional_rows);
}

TEST(MachineTable, OperationsThatAreNoZoneActionsAreRefused) {
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
