// Mode pages: what MODE SENSE shows and MODE SELECT may change.
//
// The pages are read-write error recovery (01h), caching (08h), control (0Ah) and informational
// exceptions control (1Ch). MODE SELECT may change WCE of the caching page, which initiators would
// share, and D_SENSE and SWP of the control page, which each would have (VPD page 87h). No value is
// saved.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <tl/expected.hpp>

#include "base/bytes.h"
#include "zbc/sense.h"
#include "zbc/unit.h"

namespace zonebridge::zbc {

/// The values that MODE SELECT may change, and their defaults.
struct ModeValues {
    bool descriptor_sense = false;        ///< D_SENSE.
    bool software_write_protect = false;  ///< SWP: changes of the disk are refused.
    /// WCE: a write or a zone action is durable after SYNCHRONIZE CACHE, a write with FUA at its
    /// end; without WCE both are durable at their end.
    bool write_cache = true;

    friend bool operator==(const ModeValues&, const ModeValues&) = default;
};

/// No MODE SENSE reply is longer.
inline constexpr std::size_t max_mode_length = 128;
/// A MODE SELECT parameter list that is longer is a parameter list length error.
inline constexpr std::size_t max_mode_parameters = 512;

/// MODE SENSE (6) or (10), SPC-5 6.14 and 6.15: the whole reply's length. Errors: 5/24/00 for a
/// page or subpage that does not exist, 5/39/00 for saved values.
[[nodiscard]] tl::expected<std::size_t, Sense> encode_mode_sense(
    const Unit& unit, const ModeValues& values, ByteView cdb, std::span<std::uint8_t> out) noexcept;

/// The length of a MODE SELECT's parameter list.
[[nodiscard]] std::size_t mode_select_length(ByteView cdb) noexcept;

/// MODE SELECT (6) or (10), SPC-5 6.12 and 6.13: the new values, after the whole list was checked.
/// Errors: 5/24/00 with SP or without PF, 5/1A/00 for a list that ends inside a structure, 5/26/00 for
/// a page that does not exist or a value that can't change.
[[nodiscard]] tl::expected<ModeValues, Sense> decode_mode_select(const Unit& unit,
                                                                 ModeValues values, ByteView cdb,
                                                                 ByteView parameters) noexcept;

}  // namespace zonebridge::zbc
