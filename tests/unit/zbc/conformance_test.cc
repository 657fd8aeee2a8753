// What strict conformance suites for ZBC disks expect of every zone command, as tables: the sense,
// and the zone's condition afterwards. Each test runs on 512e disks (512-byte logical, 4-KiB
// physical blocks) and 4Kn disks (4-KiB blocks), with URSWRZ 1, with URSWRZ 0 by the disk, and with
// URSWRZ 0 by the target.

#include "base/size.h"
#include "tests/unit/zbc/initiator.h"
#include "tests/unit/zone/support.h"

namespace zonebridge::zbc::test {
namespace {

constexpr std::uint64_t physical = 4 * KiB;
constexpr std::uint64_t zone_size = 64 * KiB;
constexpr std::uint32_t max_open = 3;

// Zones that the tables use.
constexpr std::uint64_t last_conventional = 3;
constexpr std::uint64_t A = 6;  // a sequential zone between sequential zones
constexpr std::uint64_t B = 7;

enum class Reads : std::uint8_t { on, end_by_disk, end_by_target };

struct Kind {
    const char* name;
    std::uint32_t block;
    Reads reads;
};
constexpr Kind kinds[] = {
    {"512e", 512, Reads::on},
    {"4Kn", 4096, Reads::on},
    {"512eRestrictedByTheDisk", 512, Reads::end_by_disk},
    {"4KnRestrictedByTheDisk", 4096, Reads::end_by_disk},
    {"512eRestrictedByTheTarget", 512, Reads::end_by_target},
    {"4KnRestrictedByTheTarget", 4096, Reads::end_by_target},
};

/// The conditions that bring() puts a zone into.
enum class Condition : std::uint8_t {
    empty,
    implicit,        // one physical block written
    implicit_high,   // all but one written
    opened,          // explicitly, nothing written
    opened_written,  // explicitly, one physical block written
    closed,
    full,
};

class Conformance : public ::testing::TestWithParam<Kind> {
  protected:
    static MachineDiskShape shape() {
        MachineDiskShape shape;
        shape.conventional = last_conventional + 1;
        shape.zone_size = zone_size;
        shape.logical_block_size = GetParam().block;
        shape.max_open = max_open;
        shape.max_transfer = zone_size;
        shape.reads_past_pointer = GetParam().reads != Reads::end_by_disk;
        return shape;
    }
    static UnitOptions options() {
        UnitOptions options;
        if (GetParam().reads == Reads::end_by_target) options.reads_past_pointer = false;
        return options;
    }
    static bool unrestricted() { return GetParam().reads == Reads::on; }
    static std::uint64_t block() { return GetParam().block; }

    void good(const Outcome& outcome) { ASSERT_EQ(outcome.words(), "good"); }

    void bring(std::uint64_t zone, Condition condition) {
        good(disk.act(Operation::reset, zone));
        switch (condition) {
            case Condition::empty:
                break;
            case Condition::implicit:
                good(disk.write(zone, 0, physical));
                break;
            case Condition::implicit_high:
                good(disk.write(zone, 0, zone_size - physical));
                break;
            case Condition::opened:
                good(disk.act(Operation::open, zone));
                break;
            case Condition::opened_written:
                good(disk.write(zone, 0, physical));
                good(disk.act(Operation::open, zone));
                break;
            case Condition::closed:
                good(disk.write(zone, 0, physical));
                good(disk.act(Operation::close, zone));
                break;
            case Condition::full:
                good(disk.write(zone, 0, zone_size));
                break;
        }
    }

    /// A zone action on any LBA, which need not be a zone's start.
    Outcome act(Operation operation, std::uint64_t lba, bool all = false) {
        return disk.run(encode_zone_action(operation, {lba, 0, all}));
    }

    /// A zone's condition according to REPORT ZONES.
    ZoneState reported(std::uint64_t zone) {
        const auto report = disk.report(disk.lba(zone), 128);
        EXPECT_EQ(report.words(), "good");
        return static_cast<ZoneState>(report.view().u8(64 + 1) >> 4);
    }

    Initiator disk{shape(), options()};
};

INSTANTIATE_TEST_SUITE_P(Disks, Conformance, ::testing::ValuesIn(kinds),
                         [](const auto& row) { return row.param.name; });

constexpr std::array actions{Operation::open, Operation::close, Operation::finish,
                             Operation::reset};

// ---- Commands that succeed

TEST_P(Conformance, EveryReportingOptionAndStartAddressSucceeds) {
    for (const int option :
         {0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x10, 0x11, 0x3E, 0x3F})
        for (const auto partial : {false, true})
            EXPECT_EQ(disk.report(0, 4096, static_cast<std::uint8_t>(option), partial).words(),
                      "good")
                << option;
    EXPECT_EQ(disk.report(1, 4096).words(), "good") << "an address inside a zone";
    EXPECT_EQ(disk.report(disk.lba(16) - 1, 4096).words(), "good");
}

TEST_P(Conformance, OneCommandOfEachKindSucceeds) {
    for (const auto operation : actions) good(disk.act(operation, A));
    good(disk.write(A, 0, physical));
    good(disk.read(A, 0, physical));
    good(disk.write(last_conventional, 0, physical));
    good(disk.read(last_conventional, 0, physical));
}

TEST_P(Conformance, DataWrittenFromScatteredBuffersAreReadBack) {
    Bytes data(physical);
    for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::uint8_t>(i * 13 >> 2);
    std::vector<iovec> pieces;
    for (std::size_t at = 0; at < physical; at += physical / 8)
        pieces.push_back({data.data() + at, physical / 8});
    const auto write = encode_write_16(disk.lba(A), disk.blocks(physical), false);
    const Task task{1, write, pieces, {}};
    ASSERT_EQ(disk.queue->submit({&task, 1}), 1u);
    ASSERT_EQ(disk.wait().status, ScsiStatus::good);
    EXPECT_EQ(disk.read(A, 0, physical).data, data);
}

// ---- Sense: reports and zone ids

TEST_P(Conformance, ReportsBeyondTheEndAndReservedOptionsAreRefused) {
    EXPECT_EQ(disk.report(disk.lba(16), 4096).words(), "5/21/00");
    for (const int option : {0x09, 0x0F, 0x12, 0x20, 0x3D})
        EXPECT_EQ(disk.report(0, 4096, static_cast<std::uint8_t>(option)).words(), "5/24/00");
}

TEST_P(Conformance, InvalidZoneIdsAreRefused) {
    for (const auto operation : actions) {
        EXPECT_EQ(act(operation, disk.lba(A) + 1).words(), "5/24/00") << "not a zone's start";
        EXPECT_EQ(act(operation, disk.lba(last_conventional)).words(), "5/24/00");
        EXPECT_EQ(act(operation, disk.lba(16)).words(), "5/21/00") << "the end of the medium";
    }
}

TEST_P(Conformance, WithAllTheZoneIdIsIgnored) {
    for (const auto id : {disk.lba(16) + 1, disk.lba(last_conventional), disk.lba(A) + 1}) {
        const std::pair<Operation, ZoneState> rows[] = {{Operation::open, ZoneState::explicit_open},
                                                        {Operation::close, ZoneState::closed},
                                                        {Operation::finish, ZoneState::full},
                                                        {Operation::reset, ZoneState::empty}};
        for (const auto& [operation, after] : rows) {
            bring(A, Condition::closed);
            EXPECT_EQ(act(operation, id, true).words(), "good");
            EXPECT_EQ(reported(A), after);
            EXPECT_EQ(reported(last_conventional), ZoneState::not_write_pointer);
        }
    }
}

// ---- Sense: resources

TEST_P(Conformance, NoZoneOpensWhenTheLimitIsUsedUpByExplicitlyOpenZones) {
    for (const auto before : {Condition::empty, Condition::closed}) {
        bring(A, before);
        for (std::uint64_t zone = 10; zone < 10 + max_open; ++zone) bring(zone, Condition::opened);
        const auto state = reported(A);
        const auto at = before == Condition::empty ? 0 : physical;
        EXPECT_EQ(disk.act(Operation::open, A).words(), "7/55/0E");
        EXPECT_EQ(disk.write(A, at, physical).words(), "7/55/0E");
        EXPECT_EQ(disk.act(Operation::finish, A).words(), "7/55/0E");
        EXPECT_EQ(reported(A), state);
        EXPECT_EQ(disk.write(last_conventional, 0, physical).words(), "good");
        EXPECT_EQ(disk.act(Operation::close, A).words(), "good");
        EXPECT_EQ(disk.act_all(Operation::finish).words(), "good");
        good(disk.act_all(Operation::reset));
    }
}

TEST_P(Conformance, OpenAllBeyondTheLimitOpensNoZone) {
    for (std::uint64_t zone = 8; zone < 8 + max_open + 1; ++zone) bring(zone, Condition::closed);
    EXPECT_EQ(disk.act_all(Operation::open).words(), "7/55/0E");
    for (std::uint64_t zone = 8; zone < 8 + max_open + 1; ++zone)
        EXPECT_EQ(reported(zone), ZoneState::closed);
}

TEST_P(Conformance, ImplicitlyOpenZonesAreClosedToMakeRoom) {
    for (std::uint64_t zone = 8; zone < 8 + max_open; ++zone) bring(zone, Condition::implicit);
    EXPECT_EQ(disk.act(Operation::open, A).words(), "good");
    EXPECT_EQ(disk.write(B, 0, physical).words(), "good");
    EXPECT_EQ(reported(A), ZoneState::explicit_open);
    EXPECT_EQ(reported(B), ZoneState::implicit_open);
    EXPECT_EQ(reported(8), ZoneState::closed);
}

// ---- Sense: reads

TEST_P(Conformance, ReadsPastThePointerSucceedOnlyIfUnrestricted) {
    const auto words = unrestricted() ? "good" : "5/21/06";
    bring(A, Condition::implicit);
    EXPECT_EQ(disk.read(A, 0, physical).words(), "good");
    EXPECT_EQ(disk.read(A, 0, physical + block()).words(), words) << "across the pointer";
    EXPECT_EQ(disk.read(A, physical, block()).words(), words) << "at the pointer";
    EXPECT_EQ(disk.read(A, physical + block(), block()).words(), words) << "behind the pointer";
}

TEST_P(Conformance, ReadsAcrossSequentialZonesSucceedOnlyIfUnrestricted) {
    struct Row {
        Condition first;
        Condition second;
        std::uint64_t before;  // distance from the start of the read to the boundary, in bytes
        std::uint64_t length;
    };
    const auto b = block();
    const Row rows[] = {
        {Condition::full, Condition::empty, b, 2 * b},
        {Condition::full, Condition::full, b, 2 * b},
        {Condition::full, Condition::implicit, b, physical + 2 * b},  // ends above the pointer
        {Condition::full, Condition::implicit, b, 2 * b},             // ends below the pointer
        {Condition::implicit_high, Condition::full, physical + b,
         physical + 2 * b},                                // begins below the pointer
        {Condition::implicit, Condition::full, b, 2 * b},  // begins above the pointer
    };
    for (const auto& row : rows) {
        bring(A, row.first);
        bring(B, row.second);
        EXPECT_EQ(disk.read(A, zone_size - row.before, row.length).words(),
                  unrestricted() ? "good" : "5/21/07");
    }
}

TEST_P(Conformance, ReadsFromConventionalIntoSequentialZonesAreRefused) {
    const auto last = zone_size - block();
    EXPECT_EQ(disk.read(last_conventional - 1, last, 2 * block()).words(), "good");
    for (const auto next : {Condition::empty, Condition::full}) {
        bring(last_conventional + 1, next);
        EXPECT_EQ(disk.read(last_conventional, last, 2 * block()).words(), "5/21/06")
            << "the zone types differ, whatever URSWRZ is";
    }
    EXPECT_EQ(disk.read(15, last, 2 * block()).words(), "5/21/00");
}

// ---- Sense: writes

TEST_P(Conformance, WritesThatDoNotStartAtThePointerAreRefused) {
    struct Row {
        Condition before;
        std::uint64_t at;
        std::uint64_t length;
        ZoneState after;
    };
    const Row rows[] = {
        {Condition::empty, physical, physical, ZoneState::empty},          // above the pointer
        {Condition::implicit, 0, physical, ZoneState::implicit_open},      // ends below the pointer
        {Condition::implicit, 0, 2 * physical, ZoneState::implicit_open},  // across the pointer
        {Condition::implicit, 2 * physical, physical,
         ZoneState::implicit_open},  // above the pointer
        {Condition::implicit, physical + block(), 8 * block(),
         ZoneState::implicit_open},  // one block above the pointer
        {Condition::closed, 0, physical, ZoneState::closed},
        {Condition::opened, physical, physical, ZoneState::explicit_open},
    };
    for (const auto& row : rows) {
        bring(A, row.before);
        EXPECT_EQ(disk.write(A, row.at, row.length).words(), "5/21/04");
        EXPECT_EQ(reported(A), row.after);
        const auto report = disk.report(disk.lba(A), 128);
        const auto written =
            row.before == Condition::empty || row.before == Condition::opened ? 0 : physical;
        EXPECT_EQ(report.view().be64(64 + 24), disk.lba(A, written)) << "the pointer does not move";
    }
}

TEST_P(Conformance, WritesOfPartialPhysicalBlocksAreRefused) {
    if (block() == physical) {
        EXPECT_EQ(disk.write(A, 0, block()).words(), "good")
            << "logical and physical blocks are the same";
        return;
    }
    for (const auto before : {Condition::empty, Condition::implicit}) {
        bring(A, before);
        const auto pointer = before == Condition::empty ? 0 : physical;
        EXPECT_EQ(disk.write(A, pointer, block()).words(), "5/21/04");
        EXPECT_EQ(disk.write(A, pointer, physical + block()).words(), "5/21/04");
    }
    EXPECT_EQ(disk.write(last_conventional, block(), block()).words(), "good");
}

TEST_P(Conformance, WritesAcrossAZoneBoundaryAreRefused) {
    struct Row {
        Condition first;
        Condition second;
        std::uint64_t before;
        std::uint64_t length;
    };
    const auto p = physical;
    const Row rows[] = {
        {Condition::full, Condition::implicit, p, 3 * p},
        {Condition::full, Condition::implicit, p, 2 * p},
        {Condition::implicit_high, Condition::full, p + block(), p + 2 * block()},
        {Condition::implicit_high, Condition::full, p, 2 * p},
        {Condition::implicit, Condition::full, p, 2 * p},
        {Condition::full, Condition::empty, p, 2 * p},
        {Condition::empty, Condition::empty, p, 2 * p},
        {Condition::implicit_high, Condition::empty, p, 2 * p},
    };
    for (const auto& row : rows) {
        bring(A, row.first);
        bring(B, row.second);
        const auto first = reported(A);
        const auto second = reported(B);
        EXPECT_EQ(disk.write(A, zone_size - row.before, row.length).words(), "5/21/05");
        EXPECT_EQ(reported(A), first);
        EXPECT_EQ(reported(B), second);
    }
    EXPECT_EQ(disk.write(last_conventional, zone_size - p, 2 * p).words(), "5/21/05");
    EXPECT_EQ(disk.write(last_conventional - 1, zone_size - p, 2 * p).words(), "good");
    EXPECT_EQ(disk.write(15, zone_size - p, 2 * p).words(), "5/21/00");
}

TEST_P(Conformance, WritesToAFullZoneAreRefused) {
    bring(A, Condition::full);
    EXPECT_EQ(disk.write(A, 0, physical).words(), "5/24/00");
    EXPECT_EQ(disk.write(A, zone_size - physical, physical).words(), "5/24/00");
    EXPECT_EQ(reported(A), ZoneState::full);
}

// ---- Conditions

TEST_P(Conformance, EveryActionLeadsFromEveryConditionToTheExpectedOne) {
    constexpr auto EM = ZoneState::empty;
    constexpr auto IO = ZoneState::implicit_open;
    constexpr auto EO = ZoneState::explicit_open;
    constexpr auto CL = ZoneState::closed;
    constexpr auto FU = ZoneState::full;
    struct Row {
        Condition before;
        std::array<ZoneState, 4> one;  // open, close, finish, reset
        std::array<ZoneState, 4> all;
    };
    const Row rows[] = {
        {Condition::empty, {EO, EM, FU, EM}, {EM, EM, EM, EM}},
        {Condition::implicit, {EO, CL, FU, EM}, {IO, CL, FU, EM}},
        {Condition::opened, {EO, EM, FU, EM}, {EO, EM, FU, EM}},
        {Condition::opened_written, {EO, CL, FU, EM}, {EO, CL, FU, EM}},
        {Condition::closed, {EO, CL, FU, EM}, {EO, CL, FU, EM}},
        {Condition::full, {FU, FU, FU, EM}, {FU, FU, FU, EM}},
    };
    for (const auto& row : rows)
        for (std::size_t i = 0; i < actions.size(); ++i) {
            const auto what =
                fmt::format("{} of {}", to_string(actions[i]), static_cast<unsigned>(row.before));
            bring(A, row.before);
            EXPECT_EQ(disk.act(actions[i], A).words(), "good") << what;
            EXPECT_EQ(reported(A), row.one[i]) << what;
            bring(A, row.before);
            EXPECT_EQ(disk.act_all(actions[i]).words(), "good") << what;
            EXPECT_EQ(reported(A), row.all[i]) << what << ", all";
        }
}

TEST_P(Conformance, WritesLeadFromEveryConditionToTheExpectedOne) {
    struct Row {
        Condition before;
        std::uint64_t at;
        std::uint64_t length;
        ZoneState after;
    };
    const auto rest = zone_size - physical;
    const Row rows[] = {
        {Condition::empty, 0, physical, ZoneState::implicit_open},
        {Condition::empty, 0, zone_size, ZoneState::full},
        {Condition::implicit, physical, physical, ZoneState::implicit_open},
        {Condition::implicit, physical, rest, ZoneState::full},
        {Condition::implicit_high, rest, physical, ZoneState::full},
        {Condition::opened, 0, physical, ZoneState::explicit_open},
        {Condition::opened, 0, 0, ZoneState::explicit_open},
        {Condition::opened, 0, zone_size, ZoneState::full},
        {Condition::opened_written, physical, physical, ZoneState::explicit_open},
        {Condition::opened_written, physical, rest, ZoneState::full},
        {Condition::closed, physical, physical, ZoneState::implicit_open},
        {Condition::closed, physical, rest, ZoneState::full},
    };
    for (const auto& row : rows) {
        bring(A, row.before);
        EXPECT_EQ(disk.write(A, row.at, row.length).words(), "good");
        EXPECT_EQ(reported(A), row.after) << static_cast<unsigned>(row.before);
        const auto report = disk.report(disk.lba(A), 128);
        EXPECT_EQ(report.view().be64(64 + 24), row.after == ZoneState::full
                                                   ? ~std::uint64_t{0}
                                                   : disk.lba(A, row.at + row.length));
    }
}

TEST_P(Conformance, AZoneOpenedWithoutWritesIsEmptyAfterClose) {
    for (const auto all : {false, true}) {
        bring(A, Condition::empty);
        good(disk.write(A, 0, 0));
        for (const auto open : {false, true}) {
            if (open) good(disk.act(Operation::open, A));
            EXPECT_EQ(act(Operation::close, disk.lba(A), all).words(), "good");
            EXPECT_EQ(reported(A), ZoneState::empty);
        }
    }
}

}  // namespace
}  // namespace zonebridge::zbc::test
