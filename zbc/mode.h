// Mode pages: what MODE SENSE shows and MODE SELECT may change.
//
// There are read-write error recovery (01h), caching (08h), control (0Ah) and informational
// exceptions control (1Ch). What can be changed are WCE of the caching page, which all initiators
// share, and D_SENSE and SWP of the control page, which are each initiator's own (VPD page 87h says
// so). Nothing is saved.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <tl/expected.hpp>

#include "base/bytes.h"
#include "zbc/sense.h"
#include "zbc/unit.h"

namespace zonebridge::zbc {

/// What can be changed, as one initiator sees it, and the defaults.
struct ModeValues {
    bool descriptor_sense = false;  ///< D_SENSE.
    bool software_write_protect =
        false;  ///< SWP: this initiator's changes of the disk are refused.
    /// WCE: writes are durable only after SYNCHRONIZE CACHE or with FUA; else all are.
    bool write_cache = true;

    friend bool operator==(const ModeValues&, const ModeValues&) = default;
};

/// No MODE SENSE reply is longer.
inline constexpr std::size_t max_mode_length = 128;
/// No sensible MODE SELECT parameter list is longer; more is a parameter list length error.
inline constexpr std::size_t max_mode_parameters = 512;

/// MODE SENSE (6) or (10), SPC-5 6.14 and 6.15: the whole reply's length. Errors: 5/24/00 for a
/// page or subpage that is not there, 5/39/00 for saved values.
[[nodiscard]] tl::expected<std::size_t, Sense> encode_mode_sense(
    const Unit& unit, const ModeValues& values, ByteView cdb, std::span<std::uint8_t> out) noexcept;

/// The bytes a MODE SELECT wants from the initiator.
[[nodiscard]] std::size_t mode_select_length(ByteView cdb) noexcept;

/// MODE SELECT (6) or (10), SPC-5 6.12 and 6.13: the new values. Everything is checked
/// before anything takes effect. Errors: 5/24/00 for SP or for PF missing, 5/1A/00 for a list cut
/// in a structure's middle, 5/26/00 for a page that is not there or a value that can't change.
[[nodiscard]] tl::expected<ModeValues, Sense> decode_mode_select(const Unit& unit,
                                                                 ModeValues values, ByteView cdb,
                                                                 ByteView parameters) noexcept;

}  // namespace zonebridge::zbc
