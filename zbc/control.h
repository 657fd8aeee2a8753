// The commands that a logical unit answers from its memory, without I/O: a CDB in, a reply out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include <tl/expected.hpp>

#include "zbc/cdb.h"
#include "zbc/logical_unit.h"
#include "zbc/sense.h"
#include "zbc/unit.h"
#include "zbc/unit_state.h"

namespace zonebridge::zbc {

/// No reply is longer.
inline constexpr std::size_t max_control_reply = 2048;

// ---- The replies of commands: the length, cut at the allocation length, of what is in `out`, which
// holds at least max_control_reply bytes.

using Reply = tl::expected<std::size_t, Sense>;

/// Takes the first pending unit attention.
[[nodiscard]] Reply answer_request_sense(UnitState& state, ByteView cdb,
                                         std::span<std::uint8_t> out) noexcept;
[[nodiscard]] Reply answer_inquiry(const Unit& unit, ByteView cdb,
                                   std::span<std::uint8_t> out) noexcept;
[[nodiscard]] Reply answer_mode_sense(const Unit& unit, const UnitState& state,
                                      const CommandInfo& info, ByteView cdb,
                                      std::span<std::uint8_t> out) noexcept;
[[nodiscard]] Reply answer_read_capacity_16(const Unit& unit, const CommandInfo& info, ByteView cdb,
                                            std::span<std::uint8_t> out) noexcept;
[[nodiscard]] Reply answer_supported_opcodes(const Unit& unit, const CommandInfo& info,
                                             ByteView cdb, std::span<std::uint8_t> out) noexcept;
[[nodiscard]] Reply answer_supported_tmfs(const CommandInfo& info, ByteView cdb,
                                          std::span<std::uint8_t> out) noexcept;

/// The reply to REQUEST SENSE: `sense` in the format that its CDB asks for, cut at its
/// allocation length; the length.
[[nodiscard]] std::size_t encode_request_sense(const Sense& sense, ByteView cdb,
                                               std::span<std::uint8_t> out) noexcept;

/// Ends a task with CHECK CONDITION and this sense.
void fail(TaskResult& result, const Sense& sense, SenseFormat format) noexcept;

/// Ends a task with a reply for its data_in buffers; with an overrun if they are too small for it.
void reply(TaskResult& result, std::span<const std::uint8_t> bytes,
           std::span<const iovec> data_in) noexcept;

/// A front end's own answers: to REPORT LUNS, of whatever unit, with `luns`; and to commands of a
/// logical unit number without a unit: to INQUIRY with the qualifier 3, to REQUEST SENSE, and 5/25/00
/// to all others.
[[nodiscard]] TaskResult answer_absent(const Task& task,
                                       std::span<const std::uint64_t> luns) noexcept;

// ---- READ CAPACITY and REPORT LUNS: each writes what fits into `out`, and returns the length of the
// whole reply.

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
