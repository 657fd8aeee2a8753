#include "zbc/zac.h"

#include <random>

#include "tests/unit/support/satl.h"
#include "tests/unit/zbc/support.h"

namespace zonebridge::zbc::test {
namespace {

using zonebridge::test::decode_ata;

std::string words_of(const Cdb& cdb) {
    return to_hex(cdb);
}

struct Row {
    const char* name;
    Cdb cdb;
    const char* bytes;
};

TEST(Zac, CommandsHaveTheBytesOfTheStandards) {
    constexpr std::uint64_t lba = 0x665544332211;
    const Row rows[] = {
        {"IDENTIFY DEVICE", zac::encode_identify_device(),
         "85 08 0e 00 00 00 01 00 00 00 00 00 00 00 ec 00"},
        {"READ LOG DMA EXT", zac::encode_read_identify_log(0x09, true),
         "85 0d 0e 00 00 00 01 00 30 00 09 00 00 40 47 00"},
        {"READ LOG EXT", zac::encode_read_identify_log(0x03, false),
         "85 09 0e 00 00 00 01 00 30 00 03 00 00 40 2f 00"},
        {"READ DMA EXT", zac::encode_read(lba, 0x1234, 512),
         "85 0d 0e 00 00 12 34 44 11 55 22 66 33 40 25 00"},
        {"READ DMA EXT of 4 KiB sectors", zac::encode_read(lba, 8, 4096),
         "85 0d 1e 00 00 00 08 44 11 55 22 66 33 40 25 00"},
        {"READ DMA EXT of all it can", zac::encode_read(0, zac::max_count, 512),
         "85 0d 0e 00 00 00 00 00 00 00 00 00 00 40 25 00"},
        {"WRITE DMA EXT", zac::encode_write(lba, 0x1234, 512, false),
         "85 0d 06 00 00 12 34 44 11 55 22 66 33 40 35 00"},
        {"WRITE DMA FUA EXT", zac::encode_write(lba, 1, 4096, true),
         "85 0d 16 00 00 00 01 44 11 55 22 66 33 40 3d 00"},
        {"FLUSH CACHE EXT", zac::encode_flush(), "85 07 00 00 00 00 00 00 00 00 00 00 00 40 ea 00"},
        {"REPORT ZONES EXT", zac::encode_report_zones(lba, 0x0203, false),
         "85 0d 0e 00 00 02 03 44 11 55 22 66 33 40 4a 00"},
        {"REPORT ZONES EXT, partial, of offline zones", zac::encode_report_zones(0, 1, true, 0x07),
         "85 0d 0e 87 00 00 01 00 00 00 00 00 00 40 4a 00"},
        {"CLOSE ZONE EXT", zac::encode_zone_action(Operation::close, lba),
         "85 07 00 00 01 00 00 44 11 55 22 66 33 40 9f 00"},
        {"FINISH ZONE EXT", zac::encode_zone_action(Operation::finish, 0x80000),
         "85 07 00 00 02 00 00 00 00 00 00 00 08 40 9f 00"},
        {"OPEN ZONE EXT", zac::encode_zone_action(Operation::open, 0x80000),
         "85 07 00 00 03 00 00 00 00 00 00 00 08 40 9f 00"},
        {"RESET WRITE POINTERS EXT", zac::encode_zone_action(Operation::reset, 0x80000),
         "85 07 00 00 04 00 00 00 00 00 00 00 08 40 9f 00"},
        {"RESET WRITE POINTERS EXT of all", zac::encode_zone_action_all(Operation::reset),
         "85 07 00 01 04 00 00 00 00 00 00 00 00 40 9f 00"},
        {"CLOSE ZONE EXT of all", zac::encode_zone_action_all(Operation::close),
         "85 07 00 01 01 00 00 00 00 00 00 00 00 40 9f 00"},
        {"OPEN ZONE EXT of all", zac::encode_zone_action_all(Operation::open),
         "85 07 00 01 03 00 00 00 00 00 00 00 00 40 9f 00"},
        {"FINISH ZONE EXT of all", zac::encode_zone_action_all(Operation::finish),
         "85 07 00 01 02 00 00 00 00 00 00 00 00 40 9f 00"},
    };
    for (const auto& row : rows) EXPECT_EQ(words_of(row.cdb), to_hex(hex(row.bytes))) << row.name;
}

TEST(Zac, AnOperationThatIsNoZoneActionGetsAnInvalidAction) {
    for (const auto operation : {Operation::read, Operation::write, Operation::append,
                                 Operation::flush, Operation::report}) {
        const auto command = decode_ata(ByteView(zac::encode_zone_action(operation, 0)));
        ASSERT_TRUE(command);
        EXPECT_EQ(command->features & 0xFF, 0) << to_string(operation);
    }
}

TEST(Zac, EncodedCommandsAreDecoded) {
    std::mt19937_64 random(7);
    for (int i = 0; i < 1000; ++i) {
        zac::AtaCommand command;
        command.opcode = static_cast<zac::Opcode>(random() % 256);
        command.protocol = static_cast<zac::Protocol>(random() % 16);
        command.transfer = static_cast<zac::Transfer>(random() % 3);
        command.ext = random() % 2 == 0;
        command.large_sectors = command.transfer != zac::Transfer::none && random() % 2 == 0;
        command.features = static_cast<std::uint16_t>(random());
        command.count = static_cast<std::uint16_t>(random());
        command.lba = random() % zac::max_sectors;
        const auto decoded = decode_ata(ByteView(zac::encode(command)));
        ASSERT_TRUE(decoded);
        EXPECT_EQ(decoded->opcode, command.opcode);
        EXPECT_EQ(decoded->protocol, command.protocol);
        EXPECT_EQ(decoded->transfer, command.transfer);
        EXPECT_EQ(decoded->ext, command.ext);
        EXPECT_EQ(decoded->large_sectors, command.large_sectors);
        EXPECT_EQ(decoded->features, command.features);
        EXPECT_EQ(decoded->count, command.count);
        EXPECT_EQ(decoded->lba, command.lba);
    }
}

TEST(Zac, OtherCdbsAreNotDecoded) {
    EXPECT_FALSE(decode_ata(ByteView(encode_read_16(0, 8))));
    EXPECT_FALSE(decode_ata(ByteView(hex("85 08 0e"))));
    EXPECT_FALSE(decode_ata({}));
}

}  // namespace
}  // namespace zonebridge::zbc::test
