// VERIFY in its three CDB lengths: of the medium only, against all data, and against one block.

#include "base/size.h"
#include "tests/unit/zbc/initiator.h"
#include "tests/unit/zone/support.h"

namespace zonebridge::zbc::test {
namespace {

enum Check : std::uint8_t { medium = 0, all = 1, reserved = 2, one_block = 3 };

Bytes verify_16(std::uint64_t lba, std::uint32_t blocks, Check check, std::uint8_t flags = 0) {
    Bytes cdb(16);
    ByteWriter out(cdb);
    out.u8(0, 0x8F);
    out.u8(1, flags | check << 1);
    out.be64(2, lba);
    out.be32(10, blocks);
    return cdb;
}

/// Bytes in which no two neighbours are equal.
Bytes pattern(std::size_t length, unsigned from = 0) {
    Bytes bytes(length);
    for (std::size_t i = 0; i < length; ++i)
        bytes[i] = static_cast<std::uint8_t>((i + from) * 31 >> 3);
    return bytes;
}

TEST(TargetVerify, AMediumCheckReadsInPiecesThatDoNotCrossZones) {
    Initiator initiator;
    const auto outcome = initiator.run(verify_16(initiator.lba(4, 48 * KiB), 256, medium, 0x10));
    EXPECT_EQ(outcome.words(), "good");
    EXPECT_EQ(outcome.result.data_out_length, 0u);
    const auto& taken = initiator.disk.taken;
    ASSERT_EQ(taken.size(), 5u);
    const auto start = 4 * 64 * KiB;
    const std::uint64_t offsets[] = {48 * KiB, 64 * KiB, 96 * KiB, 128 * KiB, 160 * KiB};
    const std::uint64_t lengths[] = {16 * KiB, 32 * KiB, 32 * KiB, 32 * KiB, 16 * KiB};
    for (std::size_t i = 0; i < taken.size(); ++i) {
        EXPECT_EQ(taken[i].operation, Operation::read);
        EXPECT_EQ(taken[i].offset, start + offsets[i]);
        EXPECT_EQ(taken[i].length, lengths[i]);
    }
}

TEST(TargetVerify, OneCommandVerifiesTheWholeDisk) {
    Initiator initiator({.conventional = 0});
    EXPECT_EQ(initiator.run(verify_16(0, initiator.blocks(1024 * KiB), medium)).words(), "good");
    EXPECT_EQ(initiator.disk.taken.size(), 32u);
}

TEST(TargetVerify, AMediumErrorIsReportedInAnyPiece) {
    Initiator initiator;
    initiator.disk.broken = {{6, ZoneState::offline}};
    const auto blocks = initiator.blocks(192 * KiB);
    EXPECT_EQ(initiator.run(verify_16(initiator.lba(4), blocks, medium)).words(), "7/2C/0E");
    initiator.disk.fail_next = StatusCode::media_error;
    EXPECT_EQ(initiator.run(verify_16(initiator.lba(4), 8, medium)).words(), "3/11/00");
    EXPECT_EQ(initiator.run(verify_16(initiator.lba(4), 8, medium)).words(), "good");
}

TEST(TargetVerify, AllCdbLengthsCompareTheSameBlocks) {
    Initiator initiator;
    const auto data = pattern(4 * KiB);
    ASSERT_EQ(initiator.run(encode_write_16(16, 8, false), 0, data).words(), "good");
    auto other = data;
    other[4095] ^= 1;
    for (const char* cdb : {"2f 02 00 00 00 10 00 00 08 00", "af 02 00 00 00 10 00 00 00 08 00 00",
                            "8f 02 00*7 10 00 00 00 08 00 00"}) {
        const auto same = initiator.run(hex(cdb), 0, data);
        EXPECT_EQ(same.words(), "good") << cdb;
        EXPECT_EQ(same.result.data_out_length, 4 * KiB);
        const auto differs = initiator.run(hex(cdb), 0, other);
        EXPECT_EQ(differs.words(), "E/1D/00") << cdb;
        EXPECT_EQ(differs.sense()->information, 4095u);
        EXPECT_EQ(differs.result.data_out_length, 0u);
    }
}

TEST(TargetVerify, TheFirstDifferingByteIsReportedInAnyPieceOfTheBuffers) {
    Initiator initiator({.conventional = 3});
    const auto data = pattern(32 * KiB, 5);
    const auto lba = initiator.lba(0, 48 * KiB);  // two pieces: a zone boundary lies in the middle
    ASSERT_EQ(initiator.run(encode_write_16(lba, 64, false), 0, data).words(), "good");
    const std::size_t places[] = {0, 511, 512, 16 * KiB - 1, 16 * KiB, 20000, 32 * KiB - 1};
    for (const auto place : places) {
        auto other = data;
        other[place] ^= 0x80;
        const std::array<iovec, 4> buffers{iovec{other.data(), 700}, iovec{other.data() + 700, 0},
                                           iovec{other.data() + 700, 19300},
                                           iovec{other.data() + 20000, 12768}};
        const auto cdb = verify_16(lba, 64, all);
        const Task task{1, cdb, buffers, {}};
        ASSERT_EQ(initiator.queue->submit({&task, 1}), 1u);
        Outcome outcome;
        outcome.result = initiator.wait();
        EXPECT_EQ(outcome.words(), "E/1D/00");
        EXPECT_EQ(outcome.sense()->information, place);
    }
}

TEST(TargetVerify, OneBlockIsComparedWithEach) {
    for (const std::uint32_t block : {512u, 4096u}) {
        Initiator initiator({.logical_block_size = block});
        ASSERT_EQ(initiator.write(0, 0, 32 * KiB, 0x5A).words(), "good");
        const auto blocks = initiator.blocks(32 * KiB);
        const auto same = initiator.run(verify_16(0, blocks, one_block), 0, Bytes(block, 0x5A));
        EXPECT_EQ(same.words(), "good");
        EXPECT_EQ(same.result.data_out_length, block);
        ASSERT_EQ(initiator.write(0, 16 * KiB, 4 * KiB, 0x5B).words(), "good");
        const auto differs = initiator.run(verify_16(0, blocks, one_block), 0, Bytes(block, 0x5A));
        EXPECT_EQ(differs.words(), "E/1D/00");
        EXPECT_EQ(differs.sense()->information, 0u) << "an offset in the data, which is one block";
        auto almost = Bytes(block, 0x5A);
        almost[block - 1] = 0;
        EXPECT_EQ(initiator.run(verify_16(0, 1, one_block), 0, almost).sense()->information,
                  block - 1);
    }
}

TEST(TargetVerify, InvalidCommandsAreRefusedBeforeAnyRequestToTheDisk) {
    Initiator initiator({.zone_capacity = 48 * KiB});
    const auto end = initiator.lba(16);
    const auto expect = [&](const Bytes& cdb, const char* words) {
        EXPECT_EQ(initiator.run(cdb, 0, Bytes(64 * KiB)).words(), words) << to_hex(cdb);
    };
    for (int protect = 1; protect < 8; ++protect)
        expect(verify_16(0, 8, medium, static_cast<std::uint8_t>(protect << 5)), "5/24/00");
    expect(verify_16(0, 8, reserved), "5/24/00");
    EXPECT_EQ(initiator.run(verify_16(0, 8, reserved)).sense()->field,
              (FieldPointer{true, 1, std::uint8_t{2}}));
    expect(verify_16(end, 0, medium), "5/21/00");
    expect(verify_16(end - 1, 2, medium), "5/21/00");
    expect(verify_16(~std::uint64_t{0}, ~std::uint32_t{0}, medium), "5/21/00");
    expect(verify_16(initiator.lba(4, 44 * KiB), initiator.blocks(8 * KiB), medium), "5/21/09");
    expect(verify_16(initiator.lba(1, 60 * KiB), initiator.blocks(8 * KiB), medium), "5/21/06");
    expect(verify_16(0, initiator.blocks(36 * KiB), all), "5/24/00");
    EXPECT_TRUE(initiator.disk.taken.empty());
    EXPECT_EQ(initiator.run(verify_16(0, 8, all), 0, Bytes(2 * KiB)).words(), "overrun");
    EXPECT_EQ(initiator.run(verify_16(0, 8, one_block), 0, Bytes(511)).words(), "overrun");
    EXPECT_EQ(initiator.run(verify_16(5, 0, all)).words(), "good") << "no block is to be verified";
    EXPECT_TRUE(initiator.disk.taken.empty());
}

TEST(TargetVerify, RestrictedReadsApplyToVerifyToo) {
    Initiator initiator({.reads_past_pointer = false});
    ASSERT_EQ(initiator.write(4, 0, 8 * KiB).words(), "good");
    EXPECT_EQ(initiator.run(verify_16(initiator.lba(4), 16, medium)).words(), "good");
    EXPECT_EQ(initiator.run(verify_16(initiator.lba(4), 17, medium)).words(), "5/21/06");
    EXPECT_EQ(initiator.run(verify_16(initiator.lba(4, 60 * KiB), 16, medium)).words(), "5/21/07");
}

TEST(TargetVerify, AReadOnlyDiskCanBeVerified) {
    Initiator initiator({.read_only = true});
    EXPECT_EQ(initiator.run(verify_16(0, 8, medium)).words(), "good");
}

TEST(TargetVerify, SeveralVerificationsRunOneAfterAnotherAndAllComplete) {
    Initiator initiator({.conventional = 4});
    ASSERT_EQ(initiator.write(1, 0, 32 * KiB, 0x11).words(), "good");
    std::vector<Bytes> data;
    std::vector<Bytes> cdbs;
    std::vector<iovec> buffers;
    for (std::size_t i = 0; i < 8; ++i) {
        data.emplace_back(32 * KiB, i % 2 == 0 ? 0x11 : 0x12);
        cdbs.push_back(verify_16(initiator.lba(1), 64, all));
    }
    std::vector<Task> tasks;
    for (auto& one : data) buffers.push_back({one.data(), one.size()});
    for (std::size_t i = 0; i < 8; ++i) tasks.push_back({i, cdbs[i], {&buffers[i], 1}, {}});
    initiator.disk.hold = true;
    ASSERT_EQ(initiator.queue->submit(tasks), 8u);
    EXPECT_EQ(initiator.disk.taken.size(), 2u) << "the write, and the read of one verification";
    initiator.disk.hold = false;
    initiator.loop.note_ready();
    for (int i = 0; i < 8; ++i) {
        Outcome outcome;
        outcome.result = initiator.wait();
        EXPECT_EQ(outcome.words(), outcome.result.tag % 2 == 0 ? "good" : "E/1D/00");
    }
}

}  // namespace
}  // namespace zonebridge::zbc::test
