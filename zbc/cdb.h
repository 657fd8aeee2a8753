// Command descriptor blocks: which command one is, what its fields say, and how to make one.
//
// Threads: immutable tables and pure functions.
// Ownership: views borrow their bytes; the table is static.
//
// Fields are read by position; a check of a field's value against the disk is the target's. All
// numbers here are the wire's: logical blocks, not bytes.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include <tl/expected.hpp>

#include "base/bytes.h"
#include "zbc/sense.h"
#include "zone/request.h"

namespace zonebridge::zbc {

/// What a CDB asks for; the lengths it comes in are one command.
enum class Command : std::uint8_t {
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
    report_luns,
    report_supported_opcodes,
    report_supported_tmfs,
    report_zones,
    close_zone,
    finish_zone,
    open_zone,
    reset_write_pointer,
};

/// SPC-5 "command timeouts descriptor", in seconds.
struct Timeouts {
    std::uint32_t nominal = 0;      ///< Until an initiator may begin to wonder.
    std::uint32_t recommended = 0;  ///< Until it should give up.
};

/// Which way a command's data go.
enum class Direction : std::uint8_t {
    none,
    in,   ///< From the disk.
    out,  ///< To the disk.
};

struct CommandInfo {
    Command command;
    std::uint8_t opcode;
    std::optional<std::uint8_t> service_action;  ///< Byte 1 bits 4:0, where the opcode has them.
    std::uint8_t length;                         ///< Of the CDB.
    bool zoned;                                  ///< Only a disk with zones has it.
    /// SPC-4 "CDB USAGE DATA": the bits that are evaluated; opcode and service action as they are.
    std::array<std::uint8_t, 16> usage;
    std::string_view name;
    Timeouts timeouts;
};

/// Everything the target knows, by opcode and service action.
[[nodiscard]] std::span<const CommandInfo> all_commands() noexcept;

/// The command of a CDB on a disk with or without zones. Errors: 5/20/00 for an opcode that is not
/// there; 5/24/00 at the service action where the opcode is but that is not, at the first missing
/// byte of a CDB that is too short, and at NACA (SAM-5 5.2: not supported, so it must be zero).
[[nodiscard]] tl::expected<const CommandInfo*, Sense> find_command(ByteView cdb,
                                                                   bool zoned) noexcept;

// ---- Fields.

/// READ and WRITE (6), (10), (12), (16); VERIFY (10), (12), (16); SYNCHRONIZE CACHE (10), (16).
struct BlockRange {
    std::uint64_t lba = 0;
    std::uint32_t blocks = 0;  ///< READ(6) and WRITE(6): 0 in the CDB is 256 here.
    std::uint8_t protect = 0;  ///< RDPROTECT, WRPROTECT, VRPROTECT.
    bool dpo = false;
    bool fua = false;
    std::uint8_t byte_check = 0;   ///< VERIFY's BYTCHK.
    std::uint8_t blocks_byte = 0;  ///< Where the length lies in this CDB, for field pointers.
};
[[nodiscard]] BlockRange decode_block_range(const CommandInfo& info, ByteView cdb) noexcept;

struct ReportZones {
    std::uint64_t start_lba = 0;
    std::uint32_t allocation_length = 0;
    bool partial = false;
    std::uint8_t options = 0;
};
[[nodiscard]] ReportZones decode_report_zones(ByteView cdb) noexcept;

/// CLOSE, FINISH, OPEN ZONE and RESET WRITE POINTER.
struct ZoneAction {
    std::uint64_t zone_lba = 0;
    std::uint32_t zones = 1;  ///< ZONE COUNT; 0 in the CDB is 1 here.
    bool all = false;
};
[[nodiscard]] ZoneAction decode_zone_action(ByteView cdb) noexcept;

/// The model's word for a zone action; nothing for any other command.
[[nodiscard]] std::optional<Operation> zone_operation(Command command) noexcept;

// ---- Making CDBs, for whoever drives a disk.

using Cdb = std::array<std::uint8_t, 16>;

[[nodiscard]] Cdb encode_read_16(std::uint64_t lba, std::uint32_t blocks) noexcept;
[[nodiscard]] Cdb encode_write_16(std::uint64_t lba, std::uint32_t blocks, bool fua) noexcept;
[[nodiscard]] Cdb encode_synchronize_cache_16() noexcept;  ///< The whole disk.
[[nodiscard]] Cdb encode_read_capacity_16(std::uint32_t allocation_length) noexcept;
[[nodiscard]] Cdb encode_inquiry(std::optional<std::uint8_t> vpd_page,
                                 std::uint16_t allocation_length) noexcept;
[[nodiscard]] Cdb encode_report_zones(const ReportZones& fields) noexcept;
/// `operation` is open, close, finish or reset.
[[nodiscard]] Cdb encode_zone_action(Operation operation, const ZoneAction& fields) noexcept;

}  // namespace zonebridge::zbc
