// READ CAPACITY (10) and (16), REPORT LUNS.
//
// Each encoder writes what fits into `out` and returns the length of the whole reply.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "zbc/unit.h"

namespace zonebridge::zbc {

/// SBC-4 "READ CAPACITY (10) parameter data": the last LBA is FFFFFFFFh where it needs more bits.
std::size_t encode_read_capacity_10(const Unit& unit, std::span<std::uint8_t> out) noexcept;

/// SBC-4 "READ CAPACITY (16) parameter data". RC_BASIS is 1: the last LBA is the device's, not that
/// of the leading conventional zones.
std::size_t encode_read_capacity_16(const Unit& unit, std::span<std::uint8_t> out) noexcept;

/// A logical unit number (up to 16383) in its eight-byte form, single level (SAM-5 4.7): peripheral
/// device addressing below 256, flat space addressing from there on.
[[nodiscard]] std::uint64_t encode_lun(std::uint16_t number) noexcept;

/// SPC-5 "REPORT LUNS parameter data" for `luns` in their eight-byte form. SELECT REPORT 00h and
/// 02h list them, 01h (well-known ones only) and 10h to 12h (administrative and subsidiary ones)
/// nothing; nothing comes back for any other value.
[[nodiscard]] std::optional<std::size_t> encode_report_luns(std::span<const std::uint64_t> luns,
                                                            std::uint8_t select,
                                                            std::span<std::uint8_t> out) noexcept;

}  // namespace zonebridge::zbc
