// Reads and writes through the target: the data that move, and the sense for every violation.

#include "base/size.h"
#include "tests/unit/zbc/initiator.h"

namespace zonebridge::zbc::test {
namespace {

const MachineDiskShape native_4k{.logical_block_size = 4096};

TEST(TargetAccess, WrittenDataIsReadBackWithBothBlockSizes) {
    for (const auto& shape : {MachineDiskShape{}, native_4k}) {
        Initiator initiator(shape);
        EXPECT_EQ(initiator.write(5, 0, 8 * KiB, 0x11).words(), "good");
        const auto second = initiator.write(5, 8 * KiB, 4 * KiB, 0x22);
        EXPECT_EQ(second.words(), "good");
        EXPECT_EQ(second.result.data_out_length, 4 * KiB);
        const auto read = initiator.read(5, 4 * KiB, 12 * KiB);
        EXPECT_EQ(read.words(), "good");
        EXPECT_EQ(read.result.data_in_length, 12 * KiB);
        auto expected = Bytes(4 * KiB, 0x11);
        expected.resize(8 * KiB, 0x22);
        expected.resize(12 * KiB, 0x00);
        EXPECT_EQ(read.data, expected);
    }
}

TEST(TargetAccess, AllCdbLengthsAddressTheSameBlocks) {
    Initiator initiator;
    const Bytes data(4 * KiB, 0x77);
    EXPECT_EQ(initiator.run(hex("0a 00 00 00 08 00"), 0, data).words(), "good");
    EXPECT_EQ(initiator.run(hex("2a 00 00 00 00 08 00 00 08 00"), 0, data).words(), "good");
    EXPECT_EQ(initiator.run(hex("aa 00 00 00 00 10 00 00 00 08 00 00"), 0, data).words(), "good");
    EXPECT_EQ(initiator.run(hex("8a 00 00*7 18 00 00 00 08 00 00"), 0, data).words(), "good");
    const Bytes all(16 * KiB, 0x77);
    EXPECT_EQ(initiator.run(hex("08 00 00 00 20 00"), 16 * KiB).data, all);
    EXPECT_EQ(initiator.run(hex("28 00 00 00 00 00 00 00 20 00"), 16 * KiB).data, all);
    EXPECT_EQ(initiator.run(hex("a8 00 00 00 00 00 00 00 00 20 00 00"), 16 * KiB).data, all);
    EXPECT_EQ(initiator.run(hex("88 00 00*8 00 00 00 20 00 00"), 16 * KiB).data, all);
}

TEST(TargetAccess, AZeroLengthInASixByteCdbMeans256Blocks) {
    Initiator initiator({.max_transfer = 128 * KiB});
    EXPECT_EQ(initiator.run(hex("08 00 00 00 00 00"), 256 * 512).result.data_in_length, 256u * 512);
}

TEST(TargetAccess, FuaAndDpoAreAccepted) {
    Initiator initiator;
    auto cdb = encode_write_16(initiator.lba(4), 8, true);
    cdb[1] |= 0x10;
    EXPECT_EQ(initiator.run(cdb, 0, Bytes(4 * KiB)).words(), "good");
    EXPECT_TRUE(initiator.disk.taken.back().fua);
    auto read = encode_read_16(0, 8);
    read[1] = 0x18;
    EXPECT_EQ(initiator.run(read, 4 * KiB).words(), "good");
}

TEST(TargetAccess, FuaOnADiskWithoutFuaIsAWriteAndAFlush) {
    Initiator initiator({.fua = Support::absent});
    const auto outcome =
        initiator.run(encode_write_16(initiator.lba(4), 8, true), 0, Bytes(4 * KiB));
    EXPECT_EQ(outcome.words(), "good");
    EXPECT_EQ(outcome.result.data_out_length, 4 * KiB);
    ASSERT_EQ(initiator.disk.taken.size(), 2u);
    EXPECT_FALSE(initiator.disk.taken[0].fua);
    EXPECT_EQ(initiator.disk.taken[1].operation, Operation::flush);
}

TEST(TargetAccess, MisplacedWritesAreRefused) {
    Initiator initiator;
    EXPECT_EQ(initiator.write(3, 4 * KiB, 4 * KiB).words(), "5/21/04") << "ahead of the pointer";
    EXPECT_EQ(initiator.write(3, 0, 8 * KiB).words(), "good");
    EXPECT_EQ(initiator.write(3, 0, 4 * KiB).words(), "5/21/04") << "behind the pointer";
    EXPECT_EQ(initiator.write(3, 8 * KiB, 512).words(), "5/21/04") << "half a physical block";
    EXPECT_EQ(initiator.write(3, 60 * KiB, 8 * KiB).words(), "5/21/05") << "into the next zone";
    EXPECT_EQ(initiator.write(1, 60 * KiB, 8 * KiB).words(), "5/21/05")
        << "from a conventional into a sequential zone";
    EXPECT_EQ(initiator.write(0, 60 * KiB, 8 * KiB).words(), "good") << "conventional zones only";
    EXPECT_EQ(initiator.write(0, 512, 512).words(), "good");
}

TEST(TargetAccess, WritesToAFullZoneAreRefused) {
    Initiator initiator;
    EXPECT_EQ(initiator.act(Operation::finish, 3).words(), "good");
    EXPECT_EQ(initiator.write(3, 0, 4 * KiB).words(), "5/24/00");
    for (int i = 0; i < 2; ++i)
        EXPECT_EQ(initiator.write(4, 32 * KiB * i, 32 * KiB).words(), "good");
    EXPECT_EQ(initiator.state(4), ZoneState::full);
    EXPECT_EQ(initiator.write(4, 60 * KiB, 4 * KiB).words(), "5/24/00");
}

TEST(TargetAccess, ReadsAndWritesOfGapsAreRefused) {
    Initiator initiator(with_gaps);
    EXPECT_EQ(initiator.write(3, 48 * KiB, 4 * KiB).words(), "5/21/09");
    EXPECT_EQ(initiator.read(3, 48 * KiB, 4 * KiB).words(), "5/21/09");
    EXPECT_EQ(initiator.read(3, 44 * KiB, 8 * KiB).words(), "5/21/09");
    EXPECT_EQ(initiator.read(3, 40 * KiB, 28 * KiB).words(), "5/21/09") << "across a whole gap";
    EXPECT_EQ(initiator.read(15, 52 * KiB, 4 * KiB).words(), "5/21/09") << "behind the last zone";
    EXPECT_EQ(initiator.write(3, 0, 32 * KiB).words(), "good");
    EXPECT_EQ(initiator.write(3, 32 * KiB, 20 * KiB).words(), "5/21/05") << "runs into the gap";
    EXPECT_EQ(initiator.write(3, 32 * KiB, 16 * KiB).words(), "good");
    EXPECT_EQ(initiator.state(3), ZoneState::full) << "the capacity is used up";
    EXPECT_EQ(initiator.read(3, 20 * KiB, 28 * KiB).words(), "good");
}

TEST(TargetAccess, AccessBeyondTheEndReportsTheFirstInvalidAddress) {
    Initiator initiator;
    const auto end = initiator.lba(16);
    const auto expect = [&](const Outcome& outcome, std::uint64_t first_invalid) {
        EXPECT_EQ(outcome.words(), "5/21/00");
        EXPECT_EQ(outcome.sense()->information, first_invalid);
    };
    expect(initiator.run(encode_read_16(end, 1), 512), end);
    expect(initiator.run(encode_read_16(end + 5, 0)), end + 5);
    expect(initiator.run(encode_read_16(end - 1, 2), 1024), end);
    expect(initiator.run(encode_write_16(end - 8, 16, false), 0, Bytes(8 * KiB)), end);
    expect(initiator.run(hex("91 00 00*7 00 ff ff ff ff 00 00")), end);
    const auto far = initiator.run(encode_read_16(~std::uint64_t{0}, ~std::uint32_t{0}), 512);
    EXPECT_EQ(far.words(), "5/21/00");
    EXPECT_EQ(far.sense()->information, std::nullopt)
        << "the address does not fit the fixed format";
    EXPECT_TRUE(initiator.disk.taken.empty());
}

TEST(TargetAccess, ReadsOfAHostManagedDiskStayWithinAZoneType) {
    Initiator initiator;
    EXPECT_EQ(initiator.read(1, 60 * KiB, 8 * KiB).words(), "5/21/06");
    EXPECT_EQ(initiator.read(4, 60 * KiB, 8 * KiB).words(), "good");
    EXPECT_EQ(initiator.read(0, 60 * KiB, 8 * KiB).words(), "good");
    EXPECT_EQ(initiator.read(4, 0, 4 * KiB).words(), "good") << "past the pointer";
}

TEST(TargetAccess, RestrictedReadsEndAtThePointerAndTheZone) {
    Initiator initiator({.reads_past_pointer = false});
    EXPECT_EQ(initiator.write(4, 0, 8 * KiB).words(), "good");
    EXPECT_EQ(initiator.read(4, 0, 8 * KiB).words(), "good");
    EXPECT_EQ(initiator.read(4, 4 * KiB, 8 * KiB).words(), "5/21/06");
    EXPECT_EQ(initiator.read(4, 60 * KiB, 8 * KiB).words(), "5/21/07");
    EXPECT_EQ(initiator.read(1, 60 * KiB, 8 * KiB).words(), "5/21/06") << "another type";
    EXPECT_EQ(initiator.read(0, 60 * KiB, 8 * KiB).words(), "good") << "conventional zones";
}

TEST(TargetAccess, HostAwareDisksTakeWritesAnywhere) {
    Initiator initiator({.model = Model::host_aware});
    EXPECT_EQ(initiator.write(4, 20 * KiB, 512).words(), "good");
    EXPECT_EQ(initiator.read(1, 60 * KiB, 8 * KiB).words(), "good");
}

TEST(TargetAccess, DisksWithoutZonesHaveNoZoneRules) {
    Initiator initiator({.model = Model::none});
    const Bytes data(12 * KiB, 0x33);
    EXPECT_EQ(initiator.run(encode_write_16(120, 24, false), 0, data).words(), "good");
    EXPECT_EQ(initiator.run(encode_read_16(120, 24), 12 * KiB).data, data);
    EXPECT_EQ(initiator.report(0, 64).words(), "5/20/00");
    EXPECT_EQ(initiator.act_all(Operation::reset).words(), "5/20/00");
    EXPECT_EQ(initiator.run(encode_synchronize_cache_16()).words(), "good");
}

TEST(TargetAccess, ReadOnlyAndOfflineZonesAreReported) {
    Initiator initiator;
    initiator.disk.broken = {{3, ZoneState::read_only}, {4, ZoneState::offline}};
    EXPECT_EQ(initiator.write(3, 0, 4 * KiB).words(), "7/27/08");
    EXPECT_EQ(initiator.read(3, 0, 4 * KiB).words(), "good");
    EXPECT_EQ(initiator.write(4, 0, 4 * KiB).words(), "7/2C/0E");
    EXPECT_EQ(initiator.read(4, 0, 4 * KiB).words(), "7/2C/0E");
    EXPECT_EQ(initiator.act(Operation::reset, 3).words(), "7/27/08");
    EXPECT_EQ(initiator.act(Operation::open, 4).words(), "7/2C/0E");
}

TEST(TargetAccess, DiskFailuresAreReportedAndMoveNoData) {
    Initiator initiator;
    const std::pair<StatusCode, const char*> rows[] = {{StatusCode::no_space, "7/27/07"},
                                                       {StatusCode::media_error, "3/0C/00"},
                                                       {StatusCode::io_error, "4/44/00"},
                                                       {StatusCode::device_gone, "4/3E/01"},
                                                       {StatusCode::aborted, "B/00/00"}};
    for (const auto& [code, sense] : rows) {
        initiator.disk.fail_next = code;
        const auto outcome = initiator.write(4, 0, 4 * KiB);
        EXPECT_EQ(outcome.words(), sense);
        EXPECT_EQ(outcome.result.data_out_length, 0u);
    }
    initiator.disk.fail_next = StatusCode::media_error;
    const auto outcome = initiator.read(4, 0, 4 * KiB);
    EXPECT_EQ(outcome.words(), "3/11/00");
    EXPECT_EQ(outcome.result.data_in_length, 0u);
    initiator.disk.fail_next = StatusCode::io_error;
    EXPECT_EQ(initiator.run(encode_synchronize_cache_16()).words(), "4/44/00");
}

TEST(TargetAccess, AFailedFlushFailsItsWrite) {
    Initiator initiator({.fua = Support::absent});
    initiator.disk.hold = true;
    const Bytes data(4 * KiB);
    const iovec buffer{const_cast<std::uint8_t*>(data.data()), data.size()};
    const auto cdb = encode_write_16(initiator.lba(4), 8, true);
    const Task task{1, cdb, {&buffer, 1}, {}};
    ASSERT_EQ(initiator.queue->submit({&task, 1}), 1u);
    initiator.disk.fail_next = StatusCode::io_error;
    initiator.disk.hold = false;
    initiator.loop.note_ready();
    const auto result = initiator.wait();
    EXPECT_EQ(result.status, ScsiStatus::check_condition);
    EXPECT_EQ(result.data_out_length, 0u);
}

TEST(TargetAccess, AReadOnlyDiskRefusesEveryChange) {
    for (const auto by_option : {false, true}) {
        Initiator initiator({.read_only = !by_option}, {.read_only = by_option});
        EXPECT_EQ(initiator.write(4, 0, 4 * KiB).words(), "7/27/00");
        EXPECT_EQ(initiator.write(0, 0, 4 * KiB).words(), "7/27/00");
        EXPECT_EQ(initiator.act(Operation::open, 4).words(), "7/27/00");
        EXPECT_EQ(initiator.act_all(Operation::reset).words(), "7/27/00");
        EXPECT_EQ(initiator.read(4, 0, 4 * KiB).words(), "good");
        EXPECT_EQ(initiator.report(0, 128).words(), "good");
        EXPECT_EQ(initiator.run(encode_synchronize_cache_16()).words(), "good");
        EXPECT_EQ(initiator.run(hex("1a 08 08 00 ff 00"), 255).data[2] & 0x80, 0x80);
    }
}

TEST(TargetAccess, ProtectionInformationIsRefused) {
    Initiator initiator;
    for (int protect = 1; protect < 8; ++protect) {
        auto cdb = encode_read_16(0, 8);
        cdb[1] = static_cast<std::uint8_t>(protect << 5);
        EXPECT_EQ(initiator.run(cdb, 4 * KiB).words(), "5/24/00");
    }
}

TEST(TargetAccess, ZeroLengthTransfersAreCheckedAndMoveNoData) {
    Initiator initiator;
    EXPECT_EQ(initiator.run(encode_read_16(5, 0)).words(), "good");
    EXPECT_EQ(initiator.run(encode_write_16(initiator.lba(5, 512), 0, false)).words(), "good");
    EXPECT_EQ(initiator.run(encode_read_16(initiator.lba(16), 0)).words(), "5/21/00");
    EXPECT_TRUE(initiator.disk.taken.empty());
}

TEST(TargetAccess, TransfersBeyondTheDisksLimitAreRefusedNotSplit) {
    Initiator initiator;
    EXPECT_EQ(initiator.write(4, 0, 36 * KiB).words(), "5/24/00");
    EXPECT_EQ(initiator.read(4, 0, 36 * KiB).words(), "5/24/00");
    EXPECT_EQ(initiator.read(4, 0, 36 * KiB).sense()->field, (FieldPointer{true, 10, {}}));
    EXPECT_TRUE(initiator.disk.taken.empty());
}

/// Like Initiator::run, with scattered buffers.
TaskResult run_scattered(Initiator& initiator, const Cdb& cdb, std::span<const iovec> out,
                         std::span<const iovec> in) {
    const Task task{1, cdb, out, in};
    EXPECT_EQ(initiator.queue->submit({&task, 1}), 1u);
    return initiator.wait();
}

TEST(TargetAccess, ScatteredBuffersAreHandedToTheDiskUnchanged) {
    Initiator initiator;
    Bytes bytes(8 * KiB);
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i * 7);
    const std::array<iovec, 3> pieces{iovec{bytes.data(), 512}, iovec{bytes.data() + 512, 3584},
                                      iovec{bytes.data() + 4096, 4096}};
    const auto write = encode_write_16(initiator.lba(4), 16, false);
    EXPECT_EQ(run_scattered(initiator, write, pieces, {}).status, ScsiStatus::good);
    EXPECT_EQ(initiator.disk.taken.back().segments, 3u);
    EXPECT_EQ(initiator.read(4, 0, 8 * KiB).data, bytes);
}

TEST(TargetAccess, BuffersLongerThanTheTransferAreTrimmed) {
    Initiator initiator;
    Bytes bytes(12 * KiB, 0x44);
    const std::array<iovec, 3> pieces{iovec{bytes.data(), 1024}, iovec{bytes.data() + 1024, 9216},
                                      iovec{bytes.data() + 10240, 2048}};
    const auto write = encode_write_16(initiator.lba(4), 8, false);
    const auto result = run_scattered(initiator, write, pieces, {});
    EXPECT_EQ(result.status, ScsiStatus::good);
    EXPECT_EQ(result.delivery, Delivery::done);
    EXPECT_EQ(result.data_out_length, 4 * KiB);
    EXPECT_EQ(initiator.disk.taken.back().length, 4 * KiB);
    EXPECT_EQ(initiator.disk.taken.back().segments, 2u);

    Bytes in(12 * KiB, 0xCC);
    const std::array<iovec, 2> in_pieces{iovec{in.data(), 3 * KiB},
                                         iovec{in.data() + 3 * KiB, 9 * KiB}};
    const auto read = run_scattered(initiator, encode_read_16(initiator.lba(4), 8), {}, in_pieces);
    EXPECT_EQ(read.data_in_length, 4 * KiB);
    EXPECT_EQ(in[4 * KiB - 1], 0x44);
    EXPECT_EQ(in[4 * KiB], 0xCC);
}

TEST(TargetAccess, BuffersShorterThanTheTransferAreAnOverrun) {
    Initiator initiator;
    const auto write =
        initiator.run(encode_write_16(initiator.lba(4), 8, false), 0, Bytes(2 * KiB));
    EXPECT_EQ(write.words(), "overrun");
    EXPECT_EQ(write.result.data_out_length, 0u);
    EXPECT_EQ(initiator.run(encode_write_16(initiator.lba(4), 8, false)).words(), "overrun");
    const auto read = initiator.run(encode_read_16(0, 8), 2 * KiB);
    EXPECT_EQ(read.words(), "overrun");
    EXPECT_EQ(read.result.data_in_length, 0u);
    EXPECT_TRUE(initiator.disk.taken.empty());
}

TEST(TargetAccess, MoreSegmentsThanTheDiskTakesAreRefusedNotSplit) {
    Initiator initiator;
    Bytes bytes(17 * 512);
    std::vector<iovec> pieces;
    for (std::size_t i = 0; i < 17; ++i) pieces.push_back({bytes.data() + i * 512, 512});
    const auto sixteen = encode_read_16(0, 16);
    const auto seventeen = encode_read_16(0, 17);
    EXPECT_EQ(run_scattered(initiator, sixteen, {}, pieces).status, ScsiStatus::good);
    EXPECT_EQ(run_scattered(initiator, seventeen, {}, pieces).status, ScsiStatus::check_condition);
    pieces[16].iov_len = 512;
    pieces[0].iov_len = 0;  // seventeen segments, the first empty, the last trimmed
    EXPECT_EQ(run_scattered(initiator, sixteen, {}, pieces).status, ScsiStatus::check_condition);
}

}  // namespace
}  // namespace zonebridge::zbc::test
