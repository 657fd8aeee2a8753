#include "zbc/cdb.h"

namespace zonebridge::zbc {
namespace {

Cdb cdb_16(std::uint8_t opcode, std::uint64_t lba, std::uint32_t blocks) noexcept {
    Cdb cdb{};
    ByteWriter out(cdb);
    out.u8(0, opcode);
    out.be64(2, lba);
    out.be32(10, blocks);
    return cdb;
}

/// Compilers make one load of this.
std::uint32_t load_32(const std::uint8_t* bytes) noexcept {
    return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 |
           std::uint32_t{bytes[2]} << 8 | bytes[3];
}

/// Requires that the field is there.
inline std::uint64_t load(const std::uint8_t* bytes, CdbField field) noexcept {
    bytes += field.at;
    switch (field.width) {
        case 4:
            return load_32(bytes);
        case 8:
            return std::uint64_t{load_32(bytes)} << 32 | load_32(bytes + 4);
        default: {
            std::uint64_t value = 0;
            for (std::size_t i = 0; i < field.width; ++i) value = value << 8 | bytes[i];
            return value;
        }
    }
}

}  // namespace

std::uint64_t read_field(ByteView cdb, CdbField field) noexcept {
    return cdb.covers(field.at, field.width) ? load(cdb.bytes().data(), field) : 0;
}

void write_field(ByteWriter cdb, CdbField field, std::uint64_t value) noexcept {
    for (std::size_t i = field.width; i > 0; --i, value >>= 8) cdb.u8(field.at + i - 1, value);
}

BlockRange decode_block_range(const CommandInfo& info, ByteView cdb) noexcept {
    BlockRange range;
    if (!cdb.covers(0, info.cdb_length)) return range;
    const auto* const bytes = cdb.bytes().data();
    range.lba = load(bytes, info.lba);
    range.blocks = static_cast<std::uint32_t>(load(bytes, info.length));
    if (info.rule == LengthRule::blocks_256) {  // (6): no flags, and 21 bits of address
        range.lba &= 0x1FFFFF;
        if (range.blocks == 0) range.blocks = 256;
        return range;
    }
    if (info.rule == LengthRule::none) return range;  // SYNCHRONIZE CACHE, PRE-FETCH
    const auto flags = bytes[flags_byte(info)];
    range.protect = static_cast<std::uint8_t>(flags >> 5);
    range.dpo = (flags & 0x10) != 0;
    if (info.rule == LengthRule::verified)
        range.byte_check = static_cast<std::uint8_t>(flags >> 1 & 3);
    else
        range.fua = (flags & 0x08) != 0;
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
    for (const auto& info : commands_of(0x94))
        if (info.operation == operation) cdb[1] = static_cast<std::uint8_t>(*info.action);
    cdb[14] = fields.all ? 1 : 0;
    return cdb;
}

}  // namespace zonebridge::zbc
