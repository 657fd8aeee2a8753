// Every command that may be passed through to a SCSI disk, or that people would ask for by name:
// what it moves, what it does to zones, how long it may take, and whether it passes without being
// allowed.
//
// Threads: an immutable table and pure functions.
// Ownership: static.
//
// Commands are told apart by opcode and service action together: the same opcode carries questions
// and commands that change the disk for ever (9Eh/10h READ CAPACITY, 9Eh/18h REMOVE ELEMENT AND
// TRUNCATE). WRITE BUFFER and READ BUFFER have a mode where others have a service action, and it
// counts as one here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/bytes.h"
#include "zbc/cdb.h"
#include "zone/request.h"

namespace zonebridge::zbc {

/// The opcode whose CDBs tell their own length, and have a service action of two bytes (SPC-5,
/// "variable length CDB formats").
inline constexpr std::uint8_t variable_length = 0x7F;

/// What becomes of a command that nobody allowed by name.
enum class Passing : std::uint8_t {
    by_default,
    if_allowed,
    /// The front end answers it, which knows what other logical units there are.
    answered_above,
};

/// How the bytes that a command moves are found.
enum class LengthRule : std::uint8_t {
    none,
    field,       ///< A count of bytes: allocation length, parameter list length.
    fixed,       ///< `length_at` is the length itself.
    blocks,      ///< The field counts logical blocks.
    blocks_256,  ///< The same, 0 standing for 256: READ(6), WRITE(6).
    verified,    ///< By BYTCHK: 0 nothing, 1 the field's blocks, 3 one block.
    one_block,   ///< WRITE SAME; nothing with NDOB.
    twice,       ///< COMPARE AND WRITE: each block twice.
    field_512,   ///< Bytes, or with INC_512 so many times 512: SECURITY PROTOCOL IN, OUT.
    /// As long as the buffers are, since the CDB does not tell. With Direction::none the direction is
    /// theirs, too.
    buffers,
};

/// What a command does to zones.
enum class ZoneTouch : std::uint8_t {
    none,        ///< Nothing, or nothing that has an order.
    reads,       ///< The range in the CDB.
    writes,      ///< The range in the CDB.
    flushes,     ///< What was written before.
    acts,        ///< On a zone, several, or all (94h).
    everything,  ///< The whole disk, or a range that the CDB does not tell.
};

struct PassedCommand {
    std::string_view name;        ///< As standards write it: "MODE SELECT(10)".
    std::string_view allow_name;  ///< "mode-select": one name for all lengths, or for a family.
    std::uint8_t opcode = 0;
    std::optional<std::uint16_t> action;
    std::uint8_t cdb_length = 0;
    Passing passing = Passing::if_allowed;
    Direction direction = Direction::none;
    LengthRule rule = LengthRule::none;
    std::uint8_t length_at = 0;     ///< The length field's first byte.
    std::uint8_t length_width = 0;  ///< Its bytes.
    ZoneTouch touch = ZoneTouch::none;
    std::uint8_t lba_at = 0;     ///< The first byte of the LBA or zone id, and its bytes, where
    std::uint8_t lba_width = 0;  ///< `touch` names a range or a zone.
    bool changes = false;        ///< The disk or its settings: 7/27/00 on one served read-only.
    std::uint32_t limit_ms = 0;  ///< For zone actions on one zone; see plan_passthrough().
};

[[nodiscard]] std::span<const PassedCommand> all_passed_commands() noexcept;

/// Whether byte 1 (7Fh: bytes 8 and 9) of this opcode's CDBs tells commands apart.
[[nodiscard]] bool has_action(std::uint8_t opcode) noexcept;
/// The action of a CDB; 0 for opcodes without one, and where the byte is missing.
[[nodiscard]] std::uint16_t action_of(ByteView cdb) noexcept;

/// Null if the table has no such command. Constant time.
[[nodiscard]] const PassedCommand* find_passed_command(std::uint8_t opcode,
                                                       std::uint16_t action) noexcept;

/// The bytes of this CDB, by its opcode: SPC-5 4.2.5.1's groups; 7Fh by its additional length. A
/// CDB whose opcode says nothing (vendor, reserved) ends with its last byte that is not zero, but
/// not before its 16th. Nothing if a 7Fh CDB's length is not one that exists (a multiple of 4 from
/// 12 on).
[[nodiscard]] std::optional<std::size_t> cdb_length_of(ByteView cdb) noexcept;

/// "WRITE BUFFER 3Bh/05h", "opcode C1h": for logs. Writes what fits, nothing for a CDB of no bytes;
/// returns its length.
[[nodiscard]] std::size_t describe_cdb(ByteView cdb, std::span<char> out) noexcept;

}  // namespace zonebridge::zbc
