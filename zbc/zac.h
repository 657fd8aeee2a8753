// ATA ZAC through SAT: ATA PASS-THROUGH(16) CDBs for the commands of a zoned ATA disk, and its zone
// reports. For disks behind a translation layer (SATL) that does not translate ZBC.
//
// SAT-4 "ATA PASS-THROUGH (16) command", ACS-4 for the commands, ZAC-2 for the commands of zones. All
// numbers here are the wire's: logical sectors of the disk, pages of 512 bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/bytes.h"
#include "zbc/cdb.h"
#include "zbc/report_decode.h"
#include "zone/request.h"

namespace zonebridge::zbc::zac {

inline constexpr std::uint8_t ata_pass_through_16 = 0x85;

/// ATA's unit of identify data, log pages and zone reports.
inline constexpr std::size_t page_length = 512;
/// The most that one command transfers, in sectors or in pages: COUNT has 16 bits, and 0 means 65536.
inline constexpr std::uint32_t max_count = 65536;
/// LBAs are 48 bits wide.
inline constexpr std::uint64_t max_sectors = std::uint64_t{1} << 48;

/// The ATA commands' codes.
enum class Opcode : std::uint8_t {
    read_dma_ext = 0x25,
    read_log_ext = 0x2F,
    write_dma_ext = 0x35,
    write_dma_fua_ext = 0x3D,
    read_log_dma_ext = 0x47,
    zac_management_in = 0x4A,
    zac_management_out = 0x9F,
    flush_cache_ext = 0xEA,
    identify_device = 0xEC,
};

/// The PROTOCOL field of ATA PASS-THROUGH.
enum class Protocol : std::uint8_t { non_data = 3, pio_in = 4, pio_out = 5, dma = 6 };

enum class Transfer : std::uint8_t { none, in, out };

/// An ATA command, as it goes into a CDB. `ext`: a command with 48-bit addresses.
struct AtaCommand {
    Opcode opcode = Opcode::identify_device;
    Protocol protocol = Protocol::non_data;
    Transfer transfer = Transfer::none;
    bool ext = true;
    /// COUNT counts logical sectors, which are larger than 512 bytes (T_TYPE).
    bool large_sectors = false;
    std::uint16_t features = 0;
    std::uint16_t count = 0;
    std::uint64_t lba = 0;
};

/// Without CK_COND: only a command that fails returns sense data.
[[nodiscard]] Cdb encode(const AtaCommand& command) noexcept;

// ---- Identification.

/// One page.
[[nodiscard]] Cdb encode_identify_device() noexcept;
/// One page of the IDENTIFY DEVICE data log (30h). `dma`: READ LOG DMA EXT, else READ LOG EXT.
[[nodiscard]] Cdb encode_read_identify_log(std::uint8_t page, bool dma) noexcept;

// ---- Data. `sectors`: 1 to max_count; `sector_size`: bytes in a logical sector.

[[nodiscard]] Cdb encode_read(std::uint64_t lba, std::uint32_t sectors,
                              std::uint32_t sector_size) noexcept;
[[nodiscard]] Cdb encode_write(std::uint64_t lba, std::uint32_t sectors, std::uint32_t sector_size,
                               bool fua) noexcept;
[[nodiscard]] Cdb encode_flush() noexcept;

// ---- Zones.

/// REPORT ZONES EXT: `pages` of 512 bytes, 1 to max_count. `options` as ZBC's reporting options.
[[nodiscard]] Cdb encode_report_zones(std::uint64_t start_lba, std::uint32_t pages, bool partial,
                                      std::uint8_t options = 0) noexcept;
/// CLOSE, FINISH, OPEN ZONE EXT or RESET WRITE POINTERS EXT, of one zone by its first LBA.
/// `operation` is open, close, finish or reset.
[[nodiscard]] Cdb encode_zone_action(Operation operation, std::uint64_t zone_lba) noexcept;
/// The same with the ALL bit.
[[nodiscard]] Cdb encode_zone_action_all(Operation operation) noexcept;

// ---- Little-endian fields of ATA's structures. Past the end there are zeroes, as in ByteView.

[[nodiscard]] inline std::uint16_t le16(ByteView bytes, std::size_t offset) noexcept {
    return static_cast<std::uint16_t>(bytes.u8(offset) | bytes.u8(offset + 1) << 8);
}
[[nodiscard]] inline std::uint32_t le32(ByteView bytes, std::size_t offset) noexcept {
    return static_cast<std::uint32_t>(le16(bytes, offset + 2)) << 16 | le16(bytes, offset);
}
[[nodiscard]] inline std::uint64_t le64(ByteView bytes, std::size_t offset) noexcept {
    return static_cast<std::uint64_t>(le32(bytes, offset + 4)) << 32 | le32(bytes, offset);
}

// ---- REPORT ZONES EXT data: ZBC's layout in ATA's byte order (ZAC-2 "Report Zones data"). The fields
// mean what report_decode.h says.

/// Nothing if there are fewer than the header's 64 bytes.
[[nodiscard]] std::optional<ReportListHeader> decode_report_header(
    std::span<const std::uint8_t> bytes) noexcept;

/// Descriptor `index` of the reply `bytes`; nothing if not all of it is there.
[[nodiscard]] std::optional<RawZone> decode_zone_descriptor(std::span<const std::uint8_t> bytes,
                                                            std::size_t index) noexcept;

}  // namespace zonebridge::zbc::zac
