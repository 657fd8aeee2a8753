#include "zbc/cdb.h"

#include <algorithm>

namespace zonebridge::zbc {
namespace {

constexpr std::uint8_t naca_bit = 2;  // of the CONTROL byte, a CDB's last

using enum Command;

// DPO and FUA; RDPROTECT and WRPROTECT too, which are evaluated and refused.
constexpr std::uint8_t rw_flags = 0xF8;
constexpr std::uint8_t group = 0x3F;

constexpr std::array commands{
    CommandInfo{test_unit_ready, 0x00, {}, 6, false, {0x00}, "TEST UNIT READY"},
    CommandInfo{request_sense, 0x03, {}, 6, false, {0x03, 0x01, 0, 0, 0xFF}, "REQUEST SENSE"},
    CommandInfo{read, 0x08, {}, 6, false, {0x08, 0x1F, 0xFF, 0xFF, 0xFF}, "READ(6)"},
    CommandInfo{write, 0x0A, {}, 6, false, {0x0A, 0x1F, 0xFF, 0xFF, 0xFF}, "WRITE(6)"},
    CommandInfo{inquiry, 0x12, {}, 6, false, {0x12, 0x01, 0xFF, 0xFF, 0xFF}, "INQUIRY"},
    CommandInfo{mode_select, 0x15, {}, 6, false, {0x15, 0x11, 0, 0, 0xFF}, "MODE SELECT(6)"},
    CommandInfo{mode_sense, 0x1A, {}, 6, false, {0x1A, 0x08, 0xFF, 0xFF, 0xFF}, "MODE SENSE(6)"},
    CommandInfo{read_capacity_10, 0x25, {}, 10, false, {0x25}, "READ CAPACITY(10)"},
    CommandInfo{read,
                0x28,
                {},
                10,
                false,
                {0x28, rw_flags, 0xFF, 0xFF, 0xFF, 0xFF, group, 0xFF, 0xFF},
                "READ(10)"},
    CommandInfo{write,
                0x2A,
                {},
                10,
                false,
                {0x2A, rw_flags, 0xFF, 0xFF, 0xFF, 0xFF, group, 0xFF, 0xFF},
                "WRITE(10)"},
    CommandInfo{synchronize_cache,
                0x35,
                {},
                10,
                false,
                {0x35, 0x02, 0xFF, 0xFF, 0xFF, 0xFF, group, 0xFF, 0xFF},
                "SYNCHRONIZE CACHE(10)"},
    CommandInfo{mode_select,
                0x55,
                {},
                10,
                false,
                {0x55, 0x11, 0, 0, 0, 0, 0, 0xFF, 0xFF},
                "MODE SELECT(10)"},
    CommandInfo{mode_sense,
                0x5A,
                {},
                10,
                false,
                {0x5A, 0x18, 0xFF, 0xFF, 0, 0, 0, 0xFF, 0xFF},
                "MODE SENSE(10)"},
    CommandInfo{read,
                0x88,
                {},
                16,
                false,
                {0x88, rw_flags, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
                 0xFF, group},
                "READ(16)"},
    CommandInfo{write,
                0x8A,
                {},
                16,
                false,
                {0x8A, rw_flags, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
                 0xFF, group},
                "WRITE(16)"},
    CommandInfo{
        synchronize_cache,
        0x91,
        {},
        16,
        false,
        {0x91, 0x02, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, group},
        "SYNCHRONIZE CACHE(16)"},
    CommandInfo{close_zone,
                0x94,
                0x01,
                16,
                true,
                {0x94, 0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0xFF, 0xFF, 1},
                "CLOSE ZONE"},
    CommandInfo{finish_zone,
                0x94,
                0x02,
                16,
                true,
                {0x94, 0x02, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0xFF, 0xFF, 1},
                "FINISH ZONE"},
    CommandInfo{open_zone,
                0x94,
                0x03,
                16,
                true,
                {0x94, 0x03, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0xFF, 0xFF, 1},
                "OPEN ZONE"},
    CommandInfo{reset_write_pointer,
                0x94,
                0x04,
                16,
                true,
                {0x94, 0x04, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0xFF, 0xFF, 1},
                "RESET WRITE POINTER"},
    CommandInfo{
        report_zones,
        0x95,
        0x00,
        16,
        true,
        {0x95, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xBF},
        "REPORT ZONES"},
    CommandInfo{read_capacity_16,
                0x9E,
                0x10,
                16,
                false,
                {0x9E, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF},
                "READ CAPACITY(16)"},
    CommandInfo{report_luns,
                0xA0,
                {},
                12,
                false,
                {0xA0, 0x00, 0xFF, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF},
                "REPORT LUNS"},
    CommandInfo{report_supported_opcodes,
                0xA3,
                0x0C,
                12,
                false,
                {0xA3, 0x0C, 0x87, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF},
                "REPORT SUPPORTED OPERATION CODES"},
    CommandInfo{read,
                0xA8,
                {},
                12,
                false,
                {0xA8, rw_flags, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, group},
                "READ(12)"},
    CommandInfo{write,
                0xAA,
                {},
                12,
                false,
                {0xAA, rw_flags, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, group},
                "WRITE(12)"},
};

// One past the index of an opcode's first command, which its others follow; 0: there is none.
constexpr auto first_of_opcode = [] {
    std::array<std::uint8_t, 256> first{};
    for (std::size_t i = commands.size(); i > 0; --i)
        first[commands[i - 1].opcode] = static_cast<std::uint8_t>(i);
    return first;
}();
static_assert(std::is_sorted(commands.begin(), commands.end(),
                             [](const auto& a, const auto& b) { return a.opcode < b.opcode; }));

Cdb cdb_16(std::uint8_t opcode, std::uint64_t lba, std::uint32_t blocks) noexcept {
    Cdb cdb{};
    ByteWriter out(cdb);
    out.u8(0, opcode);
    out.be64(2, lba);
    out.be32(10, blocks);
    return cdb;
}

}  // namespace

std::span<const CommandInfo> all_commands() noexcept {
    return commands;
}

tl::expected<const CommandInfo*, Sense> find_command(ByteView cdb, bool zoned) noexcept {
    if (cdb.size() == 0) return tl::unexpected(invalid_field_in_cdb(0));
    const CommandInfo* found = nullptr;
    auto opcode_known = false;
    const auto opcode = cdb.u8(0);
    for (std::size_t i = first_of_opcode[opcode];
         i != 0 && i <= commands.size() && commands[i - 1].opcode == opcode; ++i) {
        const auto& info = commands[i - 1];
        if (info.zoned && !zoned) continue;
        opcode_known = true;
        if (!info.service_action || *info.service_action == (cdb.u8(1) & 0x1F)) found = &info;
    }
    if (!found)
        return tl::unexpected(opcode_known ? invalid_field_in_cdb(1, std::uint8_t{4})
                                           : invalid_opcode());
    if (!cdb.covers(0, found->length))
        return tl::unexpected(invalid_field_in_cdb(static_cast<std::uint16_t>(cdb.size())));
    const auto control = static_cast<std::uint16_t>(found->length - 1);
    if (cdb.bit(control, naca_bit)) return tl::unexpected(invalid_field_in_cdb(control, naca_bit));
    return found;
}

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
        range.fua = cdb.bit(1, 3);
    }
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
        case report_zones:
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
    for (const auto& info : commands)
        if (zone_operation(info.command) == operation)
            cdb[1] = info.service_action.value_or(std::uint8_t{0});
    cdb[14] = fields.all ? 1 : 0;
    return cdb;
}

}  // namespace zonebridge::zbc
