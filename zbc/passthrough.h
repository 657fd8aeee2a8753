// Passing a command through to a SCSI disk: whether it may pass, what is sent and how many bytes it
// moves, what it does to zones, and what is edited in the disk's reply.
//
// A CDB is sent as it is, with one exception: a reply that is edited is fetched whole, and cut at the
// initiator's allocation length after the edit. Sense data, READ CAPACITY and REPORT ZONES are never
// edited.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include <tl/expected.hpp>

#include "base/bytes.h"
#include "zbc/allowed.h"
#include "zbc/commands.h"
#include "zbc/logical_unit.h"
#include "zbc/sense.h"
#include "zone/request.h"

namespace zonebridge::zbc {

/// What a plan depends on besides the CDB: facts that were read when the disk was opened.
struct PassthroughFacts {
    std::uint32_t block_size = 512;
    std::uint64_t max_transfer = 0;  ///< Bytes that the path carries in one command.
    bool read_only = false;
    /// VPD page 00h lists B0h. Else page B0h is made here, and holds the path's limit alone.
    bool has_block_limits = true;
    std::uint8_t peripheral = 0;  ///< Byte 0 of the disk's INQUIRY data, for a page made here.
};

/// What is changed in a reply.
enum class Edit : std::uint8_t {
    none,
    supported_pages,        ///< VPD page 00h: without 89h, with B0h.
    block_limits,           ///< VPD page B0h: the path's limits.
    made_up_block_limits,   ///< The whole page B0h. Nothing is sent; plan.length is its room.
    mode_header_6,          ///< MODE SENSE(6): WP set.
    mode_header_10,         ///< MODE SENSE(10): WP set.
    supported_opcodes_all,  ///< RSOC of all commands: only those that pass.
    supported_opcode_none,  ///< RSOC of one command that does not pass: not supported.
};

/// Which zones a command concerns, so that the order of commands to one zone is kept. In logical
/// blocks.
struct ZoneEffect {
    ZoneTouch touch = ZoneTouch::none;
    std::uint64_t lba = 0;     ///< reads, writes: the first block. acts: the zone id.
    std::uint64_t blocks = 0;  ///< reads, writes: may be 0; never beyond 2^64 - 1 blocks in all.
    std::uint32_t zones = 1;   ///< acts: ZONE COUNT, at least 1.
    bool all = false;          ///< acts: every zone; lba and zones say nothing.
    /// acts: the action; absent for SEQUENTIALIZE ZONE, which the model does not have.
    std::optional<Operation> operation = std::nullopt;

    friend bool operator==(const ZoneEffect&, const ZoneEffect&) = default;
};

struct Plan {
    /// The kernel's interfaces to a disk take no longer CDB.
    static constexpr std::size_t max_cdb = 32;

    const CommandInfo* command = nullptr;  ///< Null: allowed by number, and not in the table.
    std::array<std::uint8_t, max_cdb> cdb{};
    std::uint8_t cdb_length = 0;
    Direction direction = Direction::none;
    /// Bytes to move between the disk and a buffer: the task's own, or, where there is an edit, one
    /// of this many bytes, of which edit_reply() then says what goes to the task's.
    std::uint32_t length = 0;
    /// With an edit: bytes that may go to the task's buffers.
    std::uint32_t reply_limit = 0;
    ZoneEffect effect;
    std::uint32_t limit_ms = 0;
    Edit edit = Edit::none;

    [[nodiscard]] std::span<const std::uint8_t> cdb_bytes() const noexcept {
        return std::span(cdb).first(cdb_length);
    }
};

/// No edited reply is longer than this: what a buffer for them has to hold.
inline constexpr std::size_t max_edited_reply = 0x10000;

/// Why a command is not sent, for the log.
enum class Refused : std::uint8_t {
    malformed,      ///< The CDB is too short, too long, or invalid.
    not_allowed,    ///< It does not pass without --allow.
    read_only,      ///< It would change a disk served read-only.
    too_long,       ///< It moves more than the path carries.
    hidden,         ///< A page that is not shown.
    unsupported,    ///< NACA, protection information.
    bidirectional,  ///< Buffers both ways.
    overrun,        ///< It moves more than its buffers hold.
};

struct NotSent {
    Refused why = Refused::malformed;
    Delivery delivery = Delivery::done;
    Sense sense;  ///< With Delivery::done.
};

/// Whether and how a command is sent. `cdb` is the initiator's, any length: bytes behind the
/// command's own are not looked at. `data_out` and `data_in` are its buffers' bytes.
///
/// Errors: 5/20/00 for a command that does not pass; 5/24/00 for a CDB that is too short (at its first missing
/// byte), for NACA, protection information, a transfer longer than facts.max_transfer, VPD page 89h;
/// 5/21/00 for a range beyond the last number there is; 7/27/00 for a change to a disk served read
/// only; an overrun where the CDB's length is more than the buffers of its direction hold; a failure
/// for buffers both ways. Longer buffers, and those of the other direction, are left as they are: the
/// rest is residual.
[[nodiscard]] tl::expected<Plan, NotSent> plan_passthrough(ByteView cdb, const Allowed& allowed,
                                                           const PassthroughFacts& facts,
                                                           std::uint64_t data_out,
                                                           std::uint64_t data_in) noexcept;

/// Edits a reply that ended with GOOD in place. `bytes` has room for plan.length bytes, and holds
/// the first `arrived` of them; with Edit::made_up_block_limits none have. Returns the bytes to hand
/// to the task's buffers, at most plan.reply_limit.
[[nodiscard]] std::size_t edit_reply(const Plan& plan, const PassthroughFacts& facts,
                                     const Allowed& allowed, std::span<std::uint8_t> bytes,
                                     std::size_t arrived) noexcept;

}  // namespace zonebridge::zbc
