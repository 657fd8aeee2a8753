// INQUIRY data: the standard page and the vital product data pages of a disk with or without zones.
//
// Each encoder writes what fits into `out` and returns the length of the whole page, so that the
// caller can cut it at the allocation length.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "zbc/unit.h"

namespace zonebridge::zbc {

/// No page is longer.
inline constexpr std::size_t max_inquiry_length = 256;

enum class VpdPage : std::uint8_t {
    supported_pages = 0x00,
    unit_serial_number = 0x80,
    device_identification = 0x83,
    extended_inquiry = 0x86,
    mode_page_policy = 0x87,
    block_limits = 0xB0,
    block_device_characteristics = 0xB1,
    logical_block_provisioning = 0xB2,
    zoned_block_device_characteristics = 0xB6,
};

/// Standard INQUIRY data (SPC-4 6.6.2), 96 bytes with version descriptors.
std::size_t encode_standard_inquiry(const Unit& unit, std::span<std::uint8_t> out) noexcept;

/// The same for a logical unit number without a unit: peripheral qualifier 3, type 1Fh.
std::size_t encode_absent_inquiry(std::span<std::uint8_t> out) noexcept;

/// One VPD page; nothing if this disk does not have it (only zoned disks have B6h). Page 00h lists the
/// pages of this disk in ascending order.
[[nodiscard]] std::optional<std::size_t> encode_vpd(const Unit& unit, std::uint8_t page,
                                                    std::span<std::uint8_t> out) noexcept;

}  // namespace zonebridge::zbc
