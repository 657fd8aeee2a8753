#include "zbc/cdb.h"

#include "tests/unit/zbc/support.h"

namespace zonebridge::zbc::test {
namespace {

std::string found(const Bytes& cdb, bool zoned = true) {
    const auto info = find_target_command(ByteView(cdb), zoned);
    return info ? std::string((*info)->name) : words(info.error());
}

TEST(Cdb, EveryCommandIsFoundByItsOwnUsageData) {
    for (const auto& info : target_commands()) {
        Bytes cdb(32);
        cdb[0] = info.target->usage[0];
        if (info.action) cdb[1] = info.target->usage[1];
        EXPECT_EQ(found(cdb), info.name);
        EXPECT_EQ(info.target->usage[0], info.opcode);
        for (std::size_t i = info.cdb_length - 1; i < info.target->usage.size(); ++i)
            EXPECT_EQ(info.target->usage[i], 0) << info.name << ": CONTROL and the bytes behind it";
    }
}

TEST(Cdb, UnknownOpcodesAndServiceActionsHaveDifferentSense) {
    EXPECT_EQ(found(hex("42 00*15")), "5/20/00");
    EXPECT_EQ(found(hex("94 1f 00*14")), "5/24/00");
    EXPECT_EQ(found(hex("9e 12 00*14")), "5/24/00");
    EXPECT_EQ(found(hex("95 00*15"), false), "5/20/00")
        << "a disk without zones has no zone commands";
    EXPECT_EQ(found(hex("94 03 00*14"), false), "5/20/00");
}

TEST(Cdb, OtherFieldsInTheServiceActionsByteAreIgnored) {
    EXPECT_EQ(found(hex("95 e0 00*14")), "REPORT ZONES");
}

TEST(Cdb, ShortCdbsAndNacaAreRefused) {
    EXPECT_EQ(found({}), "5/24/00");
    EXPECT_EQ(found(hex("88 00*14")), "5/24/00");
    EXPECT_EQ(found(hex("00*5 04")), "5/24/00");
    EXPECT_EQ(found(hex("28 00*8 04")), "5/24/00");
    EXPECT_EQ(found(hex("88 00*14 04")), "5/24/00");
    EXPECT_EQ(found(hex("28 00*9 04 00*5")), "READ(10)") << "bytes after the CDB do not count";
}

BlockRange range_of(const Bytes& cdb) {
    return decode_block_range(**find_target_command(ByteView(cdb), true), ByteView(cdb));
}

TEST(Cdb, RangesAreDecodedFromEveryCdbLength) {
    auto range = range_of(hex("08 e1 02 03 00 00"));
    EXPECT_EQ(range.lba, 0x010203u) << "three reserved bits lie above the 21 bits of the address";
    EXPECT_EQ(range.blocks, 256u);
    range = range_of(hex("0a 00 00 01 05 00"));
    EXPECT_EQ(range.lba, 1u);
    EXPECT_EQ(range.blocks, 5u);
    range = range_of(hex("28 58 01 02 03 04 00 05 06 00"));
    EXPECT_EQ(range.lba, 0x01020304u);
    EXPECT_EQ(range.blocks, 0x0506u);
    EXPECT_EQ(range.protect, 2);
    EXPECT_TRUE(range.dpo);
    EXPECT_TRUE(range.fua);
    range = range_of(hex("aa 08 01 02 03 04 05 06 07 08 00 00"));
    EXPECT_EQ(range.lba, 0x01020304u);
    EXPECT_EQ(range.blocks, 0x05060708u);
    EXPECT_TRUE(range.fua);
    EXPECT_FALSE(range.dpo);
    range = range_of(hex("88 10 01 02 03 04 05 06 07 08 09 0a 0b 0c 00 00"));
    EXPECT_EQ(range.lba, 0x0102030405060708u);
    EXPECT_EQ(range.blocks, 0x090A0B0Cu);
    EXPECT_TRUE(range.dpo);
    range = range_of(hex("91 02 00*7 07 00 00 00 08 00 00"));
    EXPECT_EQ(range.lba, 7u);
    EXPECT_EQ(range.blocks, 8u);
    EXPECT_FALSE(range.fua);
}

TEST(Cdb, EveryFieldOfZoneCommandsIsDecoded) {
    const auto report =
        decode_report_zones(ByteView(hex("95 00 01 02 03 04 05 06 07 08 0a 0b 0c 0d bf 00")));
    EXPECT_EQ(report.start_lba, 0x0102030405060708u);
    EXPECT_EQ(report.allocation_length, 0x0A0B0C0Du);
    EXPECT_TRUE(report.partial);
    EXPECT_EQ(report.options, 0x3F);

    auto action =
        decode_zone_action(ByteView(hex("94 03 01 02 03 04 05 06 07 08 00 00 00 00 00 00")));
    EXPECT_EQ(action.zone_lba, 0x0102030405060708u);
    EXPECT_EQ(action.zones, 1u) << "a ZONE COUNT of 0 is one zone";
    EXPECT_FALSE(action.all);
    action = decode_zone_action(ByteView(hex("94 03 00*8 00 00 12 34 01 00")));
    EXPECT_EQ(action.zones, 0x1234u);
    EXPECT_TRUE(action.all);
}

TEST(Cdb, EncodedCdbsHaveTheBytesOfTheStandard) {
    const auto bytes = [](const Cdb& cdb) { return Bytes(cdb.begin(), cdb.end()); };
    EXPECT_EQ(bytes(encode_read_16(0x1122334455, 8)),
              hex("88 00 00 00 00 11 22 33 44 55 00 00 00 08 00 00"));
    EXPECT_EQ(bytes(encode_write_16(1, 2, true)), hex("8a 08 00*7 01 00 00 00 02 00 00"));
    EXPECT_EQ(bytes(encode_synchronize_cache_16()), hex("91 00*15"));
    EXPECT_EQ(bytes(encode_read_capacity_16(32)), hex("9e 10 00*11 20 00 00"));
    EXPECT_EQ(bytes(encode_inquiry(std::nullopt, 36)), hex("12 00 00 00 24 00*11"));
    EXPECT_EQ(bytes(encode_inquiry(0xB6, 64)), hex("12 01 b6 00 40 00*11"));
    EXPECT_EQ(bytes(encode_report_zones({0x80000, 0x10000, true, 0x3F})),
              hex("95 00 00 00 00 00 00 08 00 00 00 01 00 00 bf 00"));
    EXPECT_EQ(bytes(encode_zone_action(Operation::close, {256, 1, false})),
              hex("94 01 00*6 01 00 00 00 00 01 00 00"));
    EXPECT_EQ(bytes(encode_zone_action(Operation::finish, {0, 3, false})),
              hex("94 02 00*10 00 03 00 00"));
    EXPECT_EQ(bytes(encode_zone_action(Operation::open, {0, 0, true})), hex("94 03 00*12 01 00"));
    EXPECT_EQ(bytes(encode_zone_action(Operation::reset, {0, 0, true})), hex("94 04 00*12 01 00"));
}

TEST(Bytes, ReadsPastTheEndGiveZeroAndWritesThereAreDropped) {
    const auto bytes = hex("01 02 03");
    const ByteView view(bytes);
    EXPECT_EQ(view.be32(0), 0x01020300u);
    EXPECT_EQ(view.be64(2), 0x0300000000000000u);
    EXPECT_FALSE(view.covers(2, 2));
    EXPECT_FALSE(view.covers(~std::size_t{0}, 2));
    EXPECT_TRUE(view.covers(3, 0));
    EXPECT_EQ(view.sub(1, 9).size(), 2u);
    EXPECT_EQ(view.sub(9, 1).size(), 0u);
    Bytes out(3);
    ByteWriter writer(out);
    writer.be32(1, 0x0A0B0C0D);
    EXPECT_EQ(out, hex("00 0a 0b"));
    writer.ascii(0, "\x01z", 3);
    EXPECT_EQ(out, hex("20 7a 20"));
}

}  // namespace
}  // namespace zonebridge::zbc::test
