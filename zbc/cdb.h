// Command descriptor blocks: the fields of one, and how to make one.
//
// The target checks the fields' values against the disk. All numbers here are the wire's: logical
// blocks, not bytes.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "zbc/commands.h"
#include "zone/request.h"

namespace zonebridge::zbc {

// ---- Fields.

/// The big-endian number in a field; 0 if not all of the field is there.
[[nodiscard]] std::uint64_t read_field(ByteView cdb, CdbField field) noexcept;
void write_field(ByteWriter cdb, CdbField field, std::uint64_t value) noexcept;

/// The byte that RDPROTECT, BYTCHK and their like are in.
[[nodiscard]] constexpr std::uint8_t flags_byte(const CommandInfo& info) noexcept {
    return info.opcode == variable_length ? 10 : 1;
}

/// The fields of a command that reads, writes or flushes a range: CommandInfo::touch says so.
struct BlockRange {
    std::uint64_t lba = 0;
    std::uint32_t blocks = 0;  ///< READ(6) and WRITE(6): 0 in the CDB is 256 here.
    std::uint8_t protect = 0;  ///< RDPROTECT, WRPROTECT, VRPROTECT.
    bool dpo = false;
    bool fua = false;
    std::uint8_t byte_check = 0;  ///< VERIFY's BYTCHK.
};
[[nodiscard]] BlockRange decode_block_range(const CommandInfo& info, ByteView cdb) noexcept;

struct ReportZones {
    std::uint64_t start_lba = 0;
    std::uint32_t allocation_length = 0;
    bool partial = false;
    std::uint8_t options = 0;
};
[[nodiscard]] ReportZones decode_report_zones(ByteView cdb) noexcept;

/// CLOSE, FINISH, OPEN ZONE and RESET WRITE POINTER.
struct ZoneAction {
    std::uint64_t zone_lba = 0;
    std::uint32_t zones = 1;  ///< ZONE COUNT; 0 in the CDB is 1 here.
    bool all = false;
};
[[nodiscard]] ZoneAction decode_zone_action(ByteView cdb) noexcept;

// ---- CDBs for a disk.

using Cdb = std::array<std::uint8_t, 16>;

[[nodiscard]] Cdb encode_read_16(std::uint64_t lba, std::uint32_t blocks) noexcept;
[[nodiscard]] Cdb encode_write_16(std::uint64_t lba, std::uint32_t blocks, bool fua) noexcept;
[[nodiscard]] Cdb encode_synchronize_cache_16() noexcept;  ///< The whole disk.
[[nodiscard]] Cdb encode_read_capacity_16(std::uint32_t allocation_length) noexcept;
[[nodiscard]] Cdb encode_inquiry(std::optional<std::uint8_t> vpd_page,
                                 std::uint16_t allocation_length) noexcept;
[[nodiscard]] Cdb encode_report_zones(const ReportZones& fields) noexcept;
/// `operation` is open, close, finish or reset.
[[nodiscard]] Cdb encode_zone_action(Operation operation, const ZoneAction& fields) noexcept;

}  // namespace zonebridge::zbc
