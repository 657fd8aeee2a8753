// REPORT SUPPORTED OPERATION CODES: the command table, as an initiator asks for it.
//
// Threads: a pure function.
// Ownership: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <tl/expected.hpp>

#include "zbc/bytes.h"
#include "zbc/sense.h"

namespace zonebridge::zbc {

/// No reply is longer.
inline constexpr std::size_t max_opcodes_length = 1024;

/// SPC-5 6.33, for a disk with or without zones: the whole reply's length. REPORTING OPTIONS 0 (all
/// commands), 1, 2 and 3 (one), with timeouts descriptors if RCTD asks for them (no timeouts are
/// indicated). Errors: 5/24/00 for other options, for option 1 on an opcode with service actions,
/// and for option 2 on one without.
[[nodiscard]] tl::expected<std::size_t, Sense> encode_supported_opcodes(
    bool zoned, ByteView cdb, std::span<std::uint8_t> out) noexcept;

}  // namespace zonebridge::zbc
