// The identification of an ATA disk: IDENTIFY DEVICE data, and the pages of the IDENTIFY DEVICE data
// log that describe zones (ACS-4 7.13 and 9.11, ZAC-2).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <tl/expected.hpp>

#include "zbc/bytes.h"

namespace zonebridge::zbc::zac {

/// The ZONED field, of a disk without the host-managed signature.
enum class Zoned : std::uint8_t {
    not_reported = 0,  ///< No zones, or a host-managed disk.
    host_aware = 1,
    device_managed = 2,
    reserved = 3,
};

struct Identify {
    std::string model;
    std::string firmware;
    std::string serial;
    std::uint64_t sectors = 0;               ///< Logical sectors.
    std::uint32_t logical_sector_size = 0;   ///< Bytes.
    std::uint32_t physical_sector_size = 0;  ///< Bytes.
    std::optional<std::uint64_t> world_wide_name;
    Zoned zoned = Zoned::not_reported;
    bool logs = false;           ///< General purpose logs can be read;
    bool log_dma = false;        ///< also by READ LOG DMA EXT.
    bool fua = false;            ///< WRITE DMA FUA EXT.
    bool reports_sense = false;  ///< Sense data reporting is on: failures have exact sense data.
};

/// Errors, in words: no identify data, a damaged page, a disk without 48-bit addresses or DMA,
/// impossible sector sizes, an impossible size.
[[nodiscard]] tl::expected<Identify, std::string> decode_identify(ByteView page);

inline constexpr std::uint8_t ata_information_page = 0x89;

/// VPD page 89h (SAT-4 "ATA Information VPD page"): the SATL's copy of the disk's identify data. Every
/// user may read it, because it needs only an INQUIRY.
struct AtaInformation {
    static constexpr std::uint16_t length = 572;  ///< Bytes of the page, with its header.

    bool host_managed = false;  ///< The signature of a host-managed disk. Some SATLs lose it.
    Zoned zoned = Zoned::not_reported;
};
/// The whole page; nothing for another page, and for one that is cut.
[[nodiscard]] std::optional<AtaInformation> decode_ata_information(ByteView page) noexcept;

// ---- Pages of log 30h: nothing comes back for bytes that are not the page.

inline constexpr std::uint8_t page_list = 0x00;
inline constexpr std::uint8_t page_supported_capabilities = 0x03;
inline constexpr std::uint8_t page_zoned_device_information = 0x09;

/// Whether page 00h lists `page`.
[[nodiscard]] bool lists_page(ByteView list, std::uint8_t page) noexcept;

/// Page 03h.
[[nodiscard]] std::optional<Zoned> decode_zoned(ByteView page) noexcept;

/// Page 09h.
struct ZonedInformation {
    bool unrestricted_reads = false;  ///< URSWRZ
    /// The best number of sequential write preferred zones open at once.
    std::optional<std::uint32_t> optimal_open;
    /// Sequential write required zones that may be open at once. Absent: no limit; the disk's 0 and
    /// all ones mean that, too.
    std::optional<std::uint32_t> max_open;
};
[[nodiscard]] std::optional<ZonedInformation> decode_zoned_information(ByteView page) noexcept;

}  // namespace zonebridge::zbc::zac
