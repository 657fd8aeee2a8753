// REPORT SUPPORTED OPERATION CODES (SPC-5 6.33): the target's reply, made of the command table, and
// the edit of the reply of a disk that is passed through. REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS
// (SPC-5 6.34).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <tl/expected.hpp>

#include "base/bytes.h"
#include "zbc/allowed.h"
#include "zbc/sense.h"

namespace zonebridge::zbc {

/// No reply of the target is longer.
inline constexpr std::size_t max_opcodes_length = 2048;

/// The target's commands, for a disk with or without zones: the whole reply's length. REPORTING
/// OPTIONS 0 (all commands), 1, 2 and 3 (one), with command timeouts descriptors if RCTD asks for
/// them. Errors: 5/24/00 for other options, for option 1 on an opcode with service actions, and for
/// option 2 on one without.
[[nodiscard]] tl::expected<std::size_t, Sense> encode_supported_opcodes(
    bool zoned, ByteView cdb, std::span<std::uint8_t> out) noexcept;

/// Whether the reply to this CDB, about one command, has to deny the command although the disk may
/// have it: because the command does not pass.
[[nodiscard]] bool hides_opcode(ByteView cdb, const Allowed& allowed) noexcept;

/// Removes what does not pass from a disk's reply about all commands, in place. The reply's first
/// `arrived` bytes are there. Returns the bytes that are left.
[[nodiscard]] std::size_t edit_supported_opcodes(std::span<std::uint8_t> bytes, std::size_t arrived,
                                                 const Allowed& allowed) noexcept;

/// The reply about one command that is not supported: its length, at most the room in `out`.
[[nodiscard]] std::size_t encode_unsupported_opcode(std::span<std::uint8_t> out) noexcept;

/// With REPD the extended form: the whole reply's length. The front end has the functions, all but
/// CLEAR ACA and QUERY ASYNCHRONOUS EVENT: NACA and asynchronous events are not supported.
[[nodiscard]] std::size_t encode_supported_tmfs(ByteView cdb, std::span<std::uint8_t> out) noexcept;

}  // namespace zonebridge::zbc
