// What is supported, as an initiator asks for it: the command table by REPORT SUPPORTED OPERATION
// CODES, and the task management functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <tl/expected.hpp>

#include "base/bytes.h"
#include "zbc/sense.h"

namespace zonebridge::zbc {

/// No reply is longer.
inline constexpr std::size_t max_opcodes_length = 2048;

/// SPC-5 6.33, for a disk with or without zones: the whole reply's length. REPORTING OPTIONS 0 (all
/// commands), 1, 2 and 3 (one), with command timeouts descriptors if RCTD asks for them. Errors: 5/24/00 for other options, for option 1 on an opcode with service actions,
/// and for option 2 on one without.
[[nodiscard]] tl::expected<std::size_t, Sense> encode_supported_opcodes(
    bool zoned, ByteView cdb, std::span<std::uint8_t> out) noexcept;

/// REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS (SPC-5 6.34), with REPD the extended form: the whole
/// reply's length. They are the front end's, and all there are but CLEAR ACA and QUERY ASYNCHRONOUS
/// EVENT: NACA and asynchronous events are not supported.
std::size_t encode_supported_tmfs(ByteView cdb, std::span<std::uint8_t> out) noexcept;

}  // namespace zonebridge::zbc
