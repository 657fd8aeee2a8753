// Edge cases of every command: reserved bits, the control byte, truncated CDBs, the first and last
// addresses and lengths.

#include <limits>

#include "base/size.h"
#include "tests/unit/zbc/initiator.h"
#include "tests/unit/zone/support.h"

namespace zonebridge::zbc::test {
namespace {

/// A CDB of this command that succeeds on a fresh disk.
Bytes good_cdb(const CommandInfo& info, const Initiator& initiator) {
    Bytes cdb(info.cdb_length);
    ByteWriter out(cdb);
    out.u8(0, info.opcode);
    if (info.action) out.u8(1, *info.action);
    if (info.target->handler == Handler::mode_select) out.u8(1, 0x10);
    if (info.target->handler == Handler::mode_sense) out.u8(2, 0x3F);
    if (info.target->handler == Handler::start_stop_unit) out.u8(4, 1);
    if (info.opcode == 0x94) out.be64(2, initiator.lba(6));
    return cdb;
}

TEST(TargetEdges, ReservedBitsAreIgnored) {
    for (const auto& info : target_commands()) {
        if (info.target->handler == Handler::front_end) continue;  // target_control_test.cc
        Initiator initiator({.max_transfer = 256 * 512});
        const auto cdb = good_cdb(info, initiator);
        auto full = cdb;
        for (std::size_t i = 1; i + 1 < cdb.size(); ++i)
            full[i] |= static_cast<std::uint8_t>(~info.target->usage[i]);
        if (info.action) full[1] = static_cast<std::uint8_t>(0xE0U | *info.action);
        if (info.target->handler == Handler::inquiry)
            full[1] = 0xFC;  // CMDDT is obsolete and refused
        full.back() = 0xFB;  // all but NACA
        const Bytes data(256 * 512);
        EXPECT_EQ(initiator.run(cdb, 256 * 512, data).words(), "good") << info.name;
        EXPECT_EQ(initiator.run(full, 256 * 512, data).words(), "good") << info.name;
    }
}

TEST(TargetEdges, NacaAndTruncatedCdbsAreRefusedByEveryCommand) {
    Initiator initiator;
    for (const auto& info : target_commands()) {
        auto cdb = good_cdb(info, initiator);
        cdb.back() = 0x04;
        auto outcome = initiator.run(cdb, 4 * KiB);
        EXPECT_EQ(outcome.words(), "5/24/00") << info.name;
        EXPECT_EQ(outcome.sense()->field,
                  (FieldPointer{true, static_cast<std::uint16_t>(info.cdb_length - 1), 2}));
        cdb.pop_back();
        outcome = initiator.run(cdb, 4 * KiB);
        EXPECT_EQ(outcome.words(), "5/24/00") << info.name;
        EXPECT_EQ(outcome.sense()->field->byte, info.cdb_length - 1u);
    }
    EXPECT_TRUE(initiator.disk.taken.empty());
}

/// Offsets and widths of the LBA and length fields of a command that addresses blocks.
struct Fields {
    std::size_t lba;
    std::size_t lba_bytes;
    std::size_t blocks;
    std::size_t blocks_bytes;
};
Fields fields_of(const CommandInfo& info) {
    switch (info.cdb_length) {
        case 10:
            return {2, 4, 7, 2};
        case 12:
            return {2, 4, 6, 4};
        default:
            return {2, 8, 10, 4};
    }
}
void put(Bytes& cdb, std::size_t at, std::size_t bytes, std::uint64_t value) {
    for (std::size_t i = 0; i < bytes; ++i)
        cdb[at + i] = static_cast<std::uint8_t>(value >> 8 * (bytes - 1 - i));
}

TEST(TargetEdges, BlockAddressesAndLengthsAreCheckedByEveryCommand) {
    constexpr auto most = std::numeric_limits<std::uint64_t>::max();
    Initiator initiator({.conventional = 16});
    const auto end = initiator.lba(16);
    struct Row {
        std::uint64_t lba;
        std::uint64_t blocks;
        const char* words;
        std::optional<std::uint64_t> information;
    };
    const Row rows[] = {
        {0, 0, "good", {}},         {0, 1, "good", {}},           {end - 1, 0, "good", {}},
        {end - 1, 1, "good", {}},   {end - 64, 64, "good", {}},   {end, 0, "5/21/00", end},
        {end, 1, "5/21/00", end},   {end - 1, 2, "5/21/00", end}, {end - 64, 65, "5/21/00", end},
        {most, 1, "5/21/00", most}, {0, most, "5/21/00", end},    {most, most, "5/21/00", most},
    };
    for (const auto& info : target_commands()) {
        if (info.cdb_length == 6) continue;  // its LBA field is too narrow for these addresses
        if (info.target->handler != Handler::read && info.target->handler != Handler::write &&
            info.target->handler != Handler::verify &&
            info.target->handler != Handler::synchronize_cache)
            continue;
        const auto fields = fields_of(info);
        for (const auto& row : rows) {
            Bytes cdb(info.cdb_length);
            cdb[0] = info.opcode;
            put(cdb, fields.lba, fields.lba_bytes, row.lba);
            put(cdb, fields.blocks, fields.blocks_bytes, row.blocks);
            const auto outcome = initiator.run(cdb, 64 * 512, Bytes(64 * 512));
            EXPECT_EQ(outcome.words(), row.words) << info.name << " " << row.lba;
            if (!row.information) continue;
            auto information = row.information;
            if (*information == most && fields.lba_bytes == 8) information.reset();  // does not fit
            if (*row.information == most && fields.lba_bytes == 4) information = 0xFFFFFFFF;
            EXPECT_EQ(outcome.sense()->information, information) << info.name << " " << row.lba;
        }
    }
}

TEST(TargetEdges, SixByteCommandsHave21AddressBits) {
    Initiator initiator;
    for (const char* cdb : {"08 1f ff ff 01 00", "0a 1f ff ff 01 00", "08 ff ff ff 00 00"}) {
        const auto outcome = initiator.run(hex(cdb), 256 * 512, Bytes(256 * 512));
        EXPECT_EQ(outcome.words(), "5/21/00") << cdb;
        EXPECT_EQ(outcome.sense()->information, 0x1FFFFFu) << cdb;
    }
}

TEST(TargetEdges, ReadCapacity10ReturnsTheLastBlock) {
    Initiator initiator;
    const auto capacity = initiator.run(hex("25 00*9"), 8);
    EXPECT_EQ(capacity.view().be32(0), initiator.lba(16) - 1);
    EXPECT_EQ(capacity.view().be32(4), 512u);
}

TEST(TargetEdges, SequentializeZoneIsRefusedByItsServiceAction) {
    Initiator initiator;
    const auto outcome = initiator.run(hex("94 10 00*14"));
    EXPECT_EQ(outcome.words(), "5/24/00");
    EXPECT_EQ(outcome.sense()->field, (FieldPointer{true, 1, std::uint8_t{4}}));
    EXPECT_EQ(initiator.run(hex("a3 0c 03 94 00 10 00 00 00 ff 00 00"), 255).data,
              hex("00 01 00 00"));
    Initiator plain({.model = Model::none});
    EXPECT_EQ(plain.run(hex("94 10 00*14")).words(), "5/20/00")
        << "a disk without zones has no zone commands";
}

}  // namespace
}  // namespace zonebridge::zbc::test
