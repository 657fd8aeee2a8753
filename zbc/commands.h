// The SCSI commands: one table with one row a command. The target, the filter of passthrough,
// `--allow` and REPORT SUPPORTED OPERATION CODES all read it. A new command is one row in
// command_table.cc, and a handler in the target if the target is to have the command.
//
// An opcode and a service action tell a command apart: 9Eh/10h is READ CAPACITY(16), 9Eh/18h REMOVE
// ELEMENT AND TRUNCATE. WRITE BUFFER and READ BUFFER have a mode in the place of the service action,
// and the mode counts as one here.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include <tl/expected.hpp>

#include "zbc/bytes.h"
#include "zbc/sense.h"
#include "zone/request.h"

namespace zonebridge::zbc {

/// The opcode of CDBs that hold their own length, and a service action of two bytes (SPC-5
/// "variable length CDB formats").
inline constexpr std::uint8_t variable_length = 0x7F;

// ---- Time limits: how long a command to a disk may take before the kernel aborts it. A guest's
// driver may wait without an end, so every command has a limit. The limits are far above what a disk
// needs, because after a time-out the kernel resets the disk for all its users.

/// A disk may retry for long before it gives up on a sector.
inline constexpr std::uint32_t data_limit_ms = 60'000;
/// A full write cache of a shingled disk.
inline constexpr std::uint32_t flush_limit_ms = 120'000;
/// A report of a large disk that has to spin up first.
inline constexpr std::uint32_t report_limit_ms = 60'000;
/// What a disk answers from its memory.
inline constexpr std::uint32_t discovery_limit_ms = 30'000;
/// One command for many sectors: WRITE SAME, UNMAP, an extended copy.
inline constexpr std::uint32_t many_limit_ms = 30 * 60'000;
/// One command for the whole medium that may end only when all is done: FORMAT UNIT, SANITIZE, a
/// long self test.
inline constexpr std::uint32_t medium_limit_ms = 7 * 24 * 3600'000;

/// FINISH may write the rest of a zone, and with ALL the rest of every open zone; RESET with ALL
/// takes minutes on some disks.
[[nodiscard]] constexpr std::uint32_t action_limit_ms(Operation operation, bool all) noexcept {
    if (all) return 30 * 60'000;
    return operation == Operation::finish ? 5 * 60'000 : 60'000;
}

// ---- What the columns of the table hold.

/// A field of a CDB: its first byte, and its bytes. A width of 0: the CDB has no such field.
struct CdbField {
    std::uint8_t at = 0;
    std::uint8_t width = 0;
};

/// Which way a command's data go.
enum class Direction : std::uint8_t {
    none,
    in,   ///< From the disk.
    out,  ///< To the disk.
};

/// How many bytes a command moves.
enum class LengthRule : std::uint8_t {
    none,
    field,       ///< The length field counts bytes: allocation length, parameter list length.
    fixed,       ///< Always CommandInfo::fixed_length.
    blocks,      ///< The length field counts logical blocks.
    blocks_256,  ///< The same, and 0 stands for 256: READ(6), WRITE(6).
    verified,    ///< By BYTCHK: 0 nothing, 1 the length field's blocks, 3 one block.
    one_block,   ///< WRITE SAME; nothing with NDOB.
    twice,       ///< COMPARE AND WRITE: each block twice.
    field_512,   ///< Bytes, or units of 512 with INC_512: SECURITY PROTOCOL IN, OUT.
    /// As many as the buffers hold, because the CDB does not tell. With Direction::none the buffers
    /// tell the direction, too.
    buffers,
};

/// What a command does to zones.
enum class ZoneTouch : std::uint8_t {
    none,        ///< Nothing, or nothing that has an order.
    reads,       ///< Reads the range in the CDB.
    writes,      ///< Writes the range in the CDB.
    flushes,     ///< Makes earlier writes durable.
    acts,        ///< Acts on a zone, several, or all (94h).
    everything,  ///< Concerns the whole disk, or a range that is not in the CDB.
};

/// Whether passthrough sends a command to the disk.
enum class Passing : std::uint8_t {
    by_default,      ///< Always.
    if_allowed,      ///< With --allow.
    answered_above,  ///< Never: the front end answers, because it knows the other logical units.
};

/// What passthrough edits in the reply of a disk.
enum class ReplyEdit : std::uint8_t {
    none,
    vpd_pages,           ///< VPD pages 00h and B0h; 89h is refused.
    write_protect,       ///< The mode parameter header's WP, of a disk served read-only.
    supported_commands,  ///< REPORT SUPPORTED OPERATION CODES: without what does not pass.
};

/// What the target does for a command. All CDB lengths of a command have one handler.
enum class Handler : std::uint8_t {
    test_unit_ready,
    request_sense,
    inquiry,
    mode_select,
    mode_sense,
    start_stop_unit,
    read_capacity_10,
    read_capacity_16,
    read,
    write,
    verify,
    synchronize_cache,
    report_supported_opcodes,
    report_supported_tmfs,
    report_zones,
    zone_action,
    /// REPORT LUNS: the front end answers, and never sends it to the target.
    front_end,
};

/// SPC-5 "command timeouts descriptor", in seconds.
struct Timeouts {
    std::uint32_t nominal = 0;      ///< A command that takes longer may be in trouble.
    std::uint32_t recommended = 0;  ///< An initiator should wait this long before it aborts.
};

/// A command as the target has it.
struct TargetCommand {
    Handler handler = Handler::test_unit_ready;
    bool zoned = false;  ///< Only on a disk with zones.
    bool needs_medium =
        false;  ///< Refused while the unit is stopped (SBC-4 "stopped power condition").
    /// Answered while a unit attention is pending, and leaves it pending (SAM-5 5.14).
    bool passes_attention = false;
    Timeouts timeouts;
    /// SPC-4 "CDB USAGE DATA": opcode and service action as they are, and a 1 for every bit that is
    /// evaluated.
    std::array<std::uint8_t, 16> usage{};
};

struct CommandInfo {
    std::uint8_t opcode = 0;
    std::optional<std::uint16_t> action;  ///< Absent: one command for all service actions.
    std::uint8_t cdb_length = 0;
    CdbField lba;     ///< Of the first block, or a zone id.
    CdbField length;  ///< Counts what `rule` says. Of zone actions: ZONE COUNT.
    std::uint8_t fixed_length = 0;
    Direction direction = Direction::none;
    LengthRule rule = LengthRule::none;
    ZoneTouch touch = ZoneTouch::none;
    bool changes = false;  ///< The disk or its settings: 7/27/00 on a disk served read-only.
    std::optional<Operation> operation;  ///< The model's word, where the model has one.
    Passing passing = Passing::if_allowed;
    ReplyEdit edit = ReplyEdit::none;
    std::uint32_t limit_ms = 0;           ///< Zone actions: see action_limit_ms().
    std::optional<TargetCommand> target;  ///< Absent: the target does not have the command.
    std::string_view name;                ///< As standards write it: "MODE SELECT(10)".
    std::string_view allow_name;  ///< "mode-select": one name for all lengths, or for a family.
};

// ---- Look-up. None of these allocates.

/// The table, by opcode, then by service action.
[[nodiscard]] std::span<const CommandInfo> all_commands() noexcept;

/// The rows of an opcode. Constant time.
[[nodiscard]] std::span<const CommandInfo> commands_of(std::uint8_t opcode) noexcept;

/// Whether byte 1 (of 7Fh: bytes 8 and 9) of this opcode's CDBs tells commands apart.
[[nodiscard]] bool has_action(std::uint8_t opcode) noexcept;
/// The service action of a CDB; 0 for opcodes without one, and where the byte is missing.
[[nodiscard]] std::uint16_t action_of(ByteView cdb) noexcept;

/// Null if the table has no such command.
[[nodiscard]] const CommandInfo* find_command(std::uint8_t opcode, std::uint16_t action) noexcept;

/// The command of a CDB that was sent to the target, on a disk with or without zones;
/// CommandInfo::target has a value. Errors: 5/20/00 for an opcode that the target does not have;
/// 5/24/00 at the service action where the target has other service actions of the opcode, at the
/// first missing byte of a CDB that is too short, and at NACA (SAM-5 5.2: not supported, so it must
/// be zero).
[[nodiscard]] tl::expected<const CommandInfo*, Sense> find_target_command(ByteView cdb,
                                                                          bool zoned) noexcept;

/// The bytes of the CDBs of an opcode (SPC-5 4.2.5.1); nothing for the groups that have no length of
/// their own (variable length, reserved, vendor specific).
[[nodiscard]] constexpr std::optional<std::uint8_t> length_of_group(std::uint8_t opcode) noexcept {
    constexpr std::array<std::uint8_t, 8> lengths{6, 10, 10, 0, 16, 12, 0, 0};
    const auto length = lengths[opcode >> 5];
    if (length == 0) return std::nullopt;
    return length;
}

/// The bytes of this CDB: by its opcode's group; of 7Fh by its additional length. A CDB whose opcode
/// has no length (vendor specific, reserved) ends with its last byte that is not zero, but not
/// before its 16th. Nothing if the length of a 7Fh CDB can't be (it is a multiple of 4 from 12 on).
[[nodiscard]] std::optional<std::size_t> cdb_length_of(ByteView cdb) noexcept;

/// "WRITE BUFFER 3Bh/05h", "opcode C1h": for logs. Writes what fits, nothing for a CDB of no bytes;
/// returns its length.
[[nodiscard]] std::size_t describe_cdb(ByteView cdb, std::span<char> out) noexcept;

}  // namespace zonebridge::zbc
