// Reads that end at the write pointer (URSWRZ 0): the disk enforces the rule, or the target does.
// An initiator sees no difference.

#include "base/size.h"
#include "tests/unit/zbc/initiator.h"
#include "tests/unit/zone/support.h"

namespace zonebridge::zbc::test {
namespace {

enum class EnforcedBy : std::uint8_t { the_disk, the_target };

class TargetRestricted : public ::testing::TestWithParam<EnforcedBy> {
  protected:
    static MachineDiskShape shape(std::optional<std::uint64_t> capacity = std::nullopt) {
        MachineDiskShape shape;
        shape.zone_capacity = capacity;
        shape.reads_past_pointer = GetParam() == EnforcedBy::the_target;
        return shape;
    }
    static UnitOptions options() {
        UnitOptions options;
        if (GetParam() == EnforcedBy::the_target) options.reads_past_pointer = false;
        return options;
    }
    static Bytes verify(std::uint64_t lba, std::uint32_t blocks) {
        Bytes cdb(16);
        ByteWriter out(cdb);
        out.u8(0, 0x8F);
        out.be64(2, lba);
        out.be32(10, blocks);
        return cdb;
    }
};

TEST_P(TargetRestricted, ReadsEndAtThePointerInEveryState) {
    Initiator initiator(shape(), options());
    const auto expect = [&](std::uint64_t zone, std::uint64_t at, std::uint64_t length,
                            const char* words) {
        EXPECT_EQ(initiator.read(zone, at, length).words(), words) << zone << " " << at;
        EXPECT_EQ(initiator.run(verify(initiator.lba(zone, at), initiator.blocks(length))).words(),
                  words)
            << zone << " " << at;
    };
    expect(4, 0, 512, "5/21/06");  // empty
    ASSERT_EQ(initiator.write(4, 0, 8 * KiB, 0x11).words(), "good");
    for (const auto action :
         {Operation::open, Operation::close}) {  // implicitly open before the first
        expect(4, 0, 8 * KiB, "good");
        expect(4, 8 * KiB - 512, 512, "good");
        expect(4, 4 * KiB, 4 * KiB + 512, "5/21/06");
        expect(4, 8 * KiB, 512, "5/21/06");
        ASSERT_EQ(initiator.act(action, 4).words(), "good");
    }
    expect(4, 0, 8 * KiB + 512, "5/21/06");
    ASSERT_EQ(initiator.act(Operation::finish, 4).words(), "good");
    expect(4, 32 * KiB, 32 * KiB, "good");
    ASSERT_EQ(initiator.act(Operation::reset, 4).words(), "good");
    expect(4, 0, 512, "5/21/06");
    EXPECT_EQ(initiator.read(4, 32 * KiB, 0).words(), "good") << "a zero-length read";
    expect(0, 32 * KiB, 4 * KiB, "good");  // conventional
    EXPECT_EQ(initiator.read(5, 0, 4 * KiB).result.data_in_length, 0u);
}

TEST_P(TargetRestricted, ReadsStayInTheirSequentialZone) {
    Initiator initiator(shape(), options());
    for (std::uint64_t zone : {4, 5}) {
        ASSERT_EQ(initiator.act(Operation::finish, zone).words(), "good");
    }
    EXPECT_EQ(initiator.read(4, 60 * KiB, 8 * KiB).words(), "5/21/07");
    EXPECT_EQ(initiator.read(1, 60 * KiB, 8 * KiB).words(), "5/21/06")
        << "from a conventional into a sequential zone";
    EXPECT_EQ(initiator.read(0, 60 * KiB, 8 * KiB).words(), "good") << "conventional zones only";
    EXPECT_EQ(initiator.run(verify(initiator.lba(4), initiator.blocks(128 * KiB))).words(),
              "5/21/07");
    EXPECT_EQ(initiator.run(verify(0, initiator.blocks(128 * KiB))).words(), "good");
}

TEST_P(TargetRestricted, GapsAreCheckedBeforeThePointer) {
    Initiator initiator(shape(48 * KiB), options());
    EXPECT_EQ(initiator.read(4, 48 * KiB, 4 * KiB).words(), "5/21/09");
    EXPECT_EQ(initiator.read(4, 44 * KiB, 8 * KiB).words(), "5/21/09");
    ASSERT_EQ(initiator.act(Operation::finish, 4).words(), "good");
    EXPECT_EQ(initiator.read(4, 44 * KiB, 4 * KiB).words(), "good");
}

TEST_P(TargetRestricted, ReadOnlyAndOfflineZonesAreReported) {
    Initiator initiator(shape(), options());
    ASSERT_EQ(initiator.write(3, 0, 32 * KiB, 0x33).words(), "good");
    initiator.disk.broken = {{3, ZoneState::read_only}, {4, ZoneState::offline}};
    EXPECT_EQ(initiator.read(3, 0, 4 * KiB).words(), "good");
    EXPECT_EQ(initiator.read(4, 0, 4 * KiB).words(), "7/2C/0E");
}

INSTANTIATE_TEST_SUITE_P(Both, TargetRestricted,
                         ::testing::Values(EnforcedBy::the_disk, EnforcedBy::the_target),
                         [](const auto& row) {
                             return row.param == EnforcedBy::the_disk ? "EnforcedByTheDisk"
                                                                      : "EnforcedByTheTarget";
                         });

TEST(RestrictedByTheTarget, AReadBelowThePointerReturnsTheData) {
    Initiator initiator({}, {.reads_past_pointer = false});
    ASSERT_EQ(initiator.write(4, 0, 8 * KiB, 0x42).words(), "good");
    const auto read = initiator.read(4, 0, 8 * KiB);
    EXPECT_EQ(read.data, Bytes(8 * KiB, 0x42));
    EXPECT_EQ(initiator.disk.taken[1].operation, Operation::report);
    EXPECT_EQ(initiator.disk.taken[2].operation, Operation::read);
    (void)initiator.read(0, 0, 4 * KiB);
    EXPECT_EQ(initiator.disk.taken.size(), 4u) << "reads of conventional zones need no report";
}

TEST(RestrictedByTheTarget, AFailedReportFailsTheRead) {
    Initiator initiator({}, {.reads_past_pointer = false});
    initiator.disk.fail_next = StatusCode::io_error;
    EXPECT_EQ(initiator.read(4, 0, 4 * KiB).words(), "4/44/00");
    EXPECT_EQ(initiator.disk.taken.size(), 1u);
}

TEST(RestrictedByTheTarget, EveryReadOfAFullQueueCompletes) {
    Initiator initiator({}, {.reads_past_pointer = false});
    ASSERT_EQ(initiator.write(4, 0, 4 * KiB, 0x42).words(), "good");
    std::vector<Bytes> data(8, Bytes(4 * KiB));
    std::vector<iovec> buffers;
    for (auto& one : data) buffers.push_back({one.data(), one.size()});
    const auto written = encode_read_16(initiator.lba(4), 8);
    const auto blank = encode_read_16(initiator.lba(5), 8);
    std::vector<Task> tasks;
    for (std::size_t i = 0; i < 8; ++i)
        tasks.push_back({i, i % 2 == 0 ? written : blank, {}, {&buffers[i], 1}});
    initiator.disk.reverse = true;
    ASSERT_EQ(initiator.queue->submit(tasks), 8u);
    for (int i = 0; i < 8; ++i) {
        Outcome outcome;
        outcome.result = initiator.wait();
        const auto good = outcome.result.tag % 2 == 0;
        EXPECT_EQ(outcome.words(), good ? "good" : "5/21/06");
        EXPECT_EQ(data[outcome.result.tag][0], good ? 0x42 : 0x00);
    }
}

}  // namespace
}  // namespace zonebridge::zbc::test
