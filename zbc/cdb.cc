#include "zbc/cdb.h"

namespace zonebridge::zbc {
namespace {

using enum Command;

Cdb cdb_16(std::uint8_t opcode, std::uint64_t lba, std::uint32_t blocks) noexcept {
    Cdb cdb{};
    ByteWriter out(cdb);
    out.u8(0, opcode);
    out.be64(2, lba);
    out.be32(10, blocks);
    return cdb;
}

}  // namespace

BlockRange decode_block_range(const CommandInfo& info, ByteView cdb) noexcept {
    BlockRange range;
    if (info.length == 6) {
        range.lba = cdb.be24(1) & 0x1FFFFF;
        range.blocks = cdb.u8(4) == 0 ? 256 : cdb.u8(4);
        range.blocks_byte = 4;
        return range;
    }
    if (info.command != Command::synchronize_cache) {
        range.protect = static_cast<std::uint8_t>(cdb.u8(1) >> 5);
        range.dpo = cdb.bit(1, 4);
    }
    if (info.command == Command::verify)
        range.byte_check = static_cast<std::uint8_t>(cdb.u8(1) >> 1 & 3);
    else
        range.fua = info.command != Command::synchronize_cache && cdb.bit(1, 3);
    switch (info.length) {
        case 10:
            range.lba = cdb.be32(2);
            range.blocks = cdb.be16(7);
            range.blocks_byte = 7;
            break;
        case 12:
            range.lba = cdb.be32(2);
            range.blocks = cdb.be32(6);
            range.blocks_byte = 6;
            break;
        default:
            range.lba = cdb.be64(2);
            range.blocks = cdb.be32(10);
            range.blocks_byte = 10;
            break;
    }
    return range;
}

ReportZones decode_report_zones(ByteView cdb) noexcept {
    return {cdb.be64(2), cdb.be32(10), cdb.bit(14, 7),
            static_cast<std::uint8_t>(cdb.u8(14) & 0x3F)};
}

ZoneAction decode_zone_action(ByteView cdb) noexcept {
    const auto count = cdb.be16(12);
    return {cdb.be64(2), count == 0 ? std::uint32_t{1} : count, cdb.bit(14, 0)};
}

std::optional<Operation> zone_operation(Command command) noexcept {
    switch (command) {
        case close_zone:
            return Operation::close;
        case finish_zone:
            return Operation::finish;
        case open_zone:
            return Operation::open;
        case reset_write_pointer:
            return Operation::reset;
        case test_unit_ready:
        case request_sense:
        case inquiry:
        case mode_select:
        case mode_sense:
        case read_capacity_10:
        case read_capacity_16:
        case Command::read:
        case Command::write:
        case synchronize_cache:
        case report_luns:
        case report_supported_opcodes:
        case report_supported_tmfs:
        case report_zones:
        case start_stop_unit:
        case verify:
            return std::nullopt;
    }
    return std::nullopt;
}

Cdb encode_read_16(std::uint64_t lba, std::uint32_t blocks) noexcept {
    return cdb_16(0x88, lba, blocks);
}

Cdb encode_write_16(std::uint64_t lba, std::uint32_t blocks, bool fua) noexcept {
    auto cdb = cdb_16(0x8A, lba, blocks);
    if (fua) cdb[1] |= 0x08;
    return cdb;
}

Cdb encode_synchronize_cache_16() noexcept {
    return cdb_16(0x91, 0, 0);
}

Cdb encode_read_capacity_16(std::uint32_t allocation_length) noexcept {
    auto cdb = cdb_16(0x9E, 0, allocation_length);
    cdb[1] = 0x10;
    return cdb;
}

Cdb encode_inquiry(std::optional<std::uint8_t> vpd_page, std::uint16_t allocation_length) noexcept {
    Cdb cdb{};
    ByteWriter out(cdb);
    out.u8(0, 0x12);
    if (vpd_page) {
        out.u8(1, 0x01);
        out.u8(2, *vpd_page);
    }
    out.be16(3, allocation_length);
    return cdb;
}

Cdb encode_report_zones(const ReportZones& fields) noexcept {
    auto cdb = cdb_16(0x95, fields.start_lba, fields.allocation_length);
    cdb[14] = static_cast<std::uint8_t>((fields.options & 0x3F) | (fields.partial ? 0x80 : 0));
    return cdb;
}

Cdb encode_zone_action(Operation operation, const ZoneAction& fields) noexcept {
    auto cdb = cdb_16(0x94, fields.zone_lba, fields.zones);
    for (const auto& info : all_commands())
        if (zone_operation(info.command) == operation)
            cdb[1] = info.service_action.value_or(std::uint8_t{0});
    cdb[14] = fields.all ? 1 : 0;
    return cdb;
}

}  // namespace zonebridge::zbc
