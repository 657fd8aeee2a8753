// Who an ATA disk says it is: IDENTIFY DEVICE data and the pages of the IDENTIFY DEVICE data log
// that tell of zones (ACS-4 7.13 and 9.11, ZAC-2).
//
// Ownership: the values own their text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <tl/expected.hpp>

#include "base/bytes.h"

namespace zonebridge::zbc::zac {

/// The ZONED field: what a disk that does not give the host-managed signature says of its zones.
enum class Zoned : std::uint8_t {
    not_reported = 0,  ///< No zones, or host-managed ones.
    host_aware = 1,
    device_managed = 2,
    reserved = 3,
};

struct Identify {
    std::string model;
    std::string firmware;
    std::string serial;
    std::uint64_t sectors = 0;               ///< Logical ones.
    std::uint32_t logical_sector_size = 0;   ///< Bytes.
    std::uint32_t physical_sector_size = 0;  ///< Bytes.
    std::optional<std::uint64_t> world_wide_name;
    Zoned zoned = Zoned::not_reported;
    bool logs = false;           ///< General purpose logs can be read,
    bool log_dma = false;        ///< by READ LOG DMA EXT too.
    bool fua = false;            ///< WRITE DMA FUA EXT.
    bool reports_sense = false;  ///< Sense data reporting is on: failures come with exact sense.
};

/// The error says what is wrong: no identify data, a damaged page, a disk without 48-bit addresses
/// or DMA, sector sizes or a size that can't be.
[[nodiscard]] tl::expected<Identify, std::string> decode_identify(ByteView page);

inline constexpr std::uint8_t ata_information_page = 0x89;

/// VPD page 89h (SAT-4 "ATA Information VPD page"): what the SATL found when it looked at the disk;
/// an INQUIRY, so that anybody may read it.
struct AtaInformation {
    static constexpr std::uint16_t length = 572;  ///< Of the page, header and all.

    bool host_managed =
        false;  ///< The signature is a host-managed disk's. Not every SATL keeps it.
    Zoned zoned = Zoned::not_reported;
};
/// The whole page; nothing if it is another one, or cut off.
[[nodiscard]] std::optional<AtaInformation> decode_ata_information(ByteView page) noexcept;

// ---- Pages of log 30h. All are nothing for bytes that are not the page they should be.

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
    /// Sequential write preferred zones that work best when open at once.
    std::optional<std::uint32_t> optimal_open;
    /// Sequential write required zones that may be open at once. Absent, as where the disk says 0
    /// or all ones: no limit.
    std::optional<std::uint32_t> max_open;
};
[[nodiscard]] std::optional<ZonedInformation> decode_zoned_information(ByteView page) noexcept;

}  // namespace zonebridge::zbc::zac
