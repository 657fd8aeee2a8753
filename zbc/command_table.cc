// The table of SCSI commands. What passes by default and why: docs/passthrough.md; what the target
// does: docs/scsi-commands.md.

#include <algorithm>
#include <array>

#include "zbc/command_row.h"
#include "zbc/commands.h"

namespace zonebridge::zbc {
namespace {

constexpr std::uint8_t naca_bit = 2;  // of the CONTROL byte, a CDB's last

using namespace rows;

// By opcode, then by service action. The columns: opcode, service action, bytes of the CDB, name,
// name for --allow, what passthrough allows, time limit, what the command moves and does; and what
// the target does with it, where the target has it.
constexpr std::array table{
    command(0x00, any, 6, "TEST UNIT READY", "test-unit-ready", by_default, discovery_limit_ms,
            nothing(), needs_medium(Handler::test_unit_ready, at_once)),
    command(0x03, any, 6, "REQUEST SENSE", "request-sense", by_default, discovery_limit_ms,
            reply(len_6), passes_attention(Handler::request_sense, {{1, 0x01}})),
    command(0x04, any, 6, "FORMAT UNIT", "format-unit", if_allowed, medium_limit_ms,
            by_buffers(Direction::out)),
    command(0x07, any, 6, "REASSIGN BLOCKS", "reassign-blocks", if_allowed, many_limit_ms,
            by_buffers(Direction::out)),
    command(0x08, any, 6, "READ(6)", "read", by_default, data_limit_ms,
            reads(lba_6, len_6, blocks_256), needs_medium(Handler::read, transfer)),
    command(0x0A, any, 6, "WRITE(6)", "write", by_default, data_limit_ms,
            writes(lba_6, len_6, blocks_256), needs_medium(Handler::write, transfer)),
    command(0x12, any, 6, "INQUIRY", "inquiry", by_default, discovery_limit_ms,
            edited(reply(half_6), ReplyEdit::vpd_pages),
            passes_attention(Handler::inquiry, {{1, 0x01}, {2, 0xFF}})),
    command(0x15, any, 6, "MODE SELECT(6)", "mode-select", if_allowed, data_limit_ms, list(len_6),
            target(Handler::mode_select, flush, {{1, 0x11}})),
    command(0x16, any, 6, "RESERVE(6)", "reserve", if_allowed, discovery_limit_ms, changes_all()),
    command(0x17, any, 6, "RELEASE(6)", "release", if_allowed, discovery_limit_ms, changes_all()),
    command(0x1A, any, 6, "MODE SENSE(6)", "mode-sense", by_default, discovery_limit_ms,
            edited(reply(len_6), ReplyEdit::write_protect),
            target(Handler::mode_sense, at_once, {{1, 0x08}, {2, 0xFF}, {3, 0xFF}})),
    command(0x1B, any, 6, "START STOP UNIT", "start-stop-unit", if_allowed, flush_limit_ms,
            nothing(), target(Handler::start_stop_unit, flush, {{1, 0x01}, {3, 0x0F}, {4, 0xF7}})),
    command(0x1C, any, 6, "RECEIVE DIAGNOSTIC RESULTS", "receive-diagnostic-results", if_allowed,
            discovery_limit_ms, reply(half_6)),
    command(0x1D, any, 6, "SEND DIAGNOSTIC", "send-diagnostic", if_allowed, medium_limit_ms,
            list_for_all(half_6)),
    command(0x1E, any, 6, "PREVENT ALLOW MEDIUM REMOVAL", "prevent-allow-medium-removal",
            if_allowed, discovery_limit_ms, nothing()),
    command(0x25, any, 10, "READ CAPACITY(10)", "read-capacity", by_default, discovery_limit_ms,
            fixed_reply(8), target(Handler::read_capacity_10, at_once)),
    command(0x28, any, 10, "READ(10)", "read", by_default, data_limit_ms, reads(lba_32, len_10),
            needs_medium(Handler::read, transfer, {{1, rw_flags}, {6, group}})),
    command(0x2A, any, 10, "WRITE(10)", "write", by_default, data_limit_ms, writes(lba_32, len_10),
            needs_medium(Handler::write, transfer, {{1, rw_flags}, {6, group}})),
    command(0x2E, any, 10, "WRITE AND VERIFY(10)", "write-and-verify", by_default, data_limit_ms,
            writes(lba_32, len_10)),
    command(0x2F, any, 10, "VERIFY(10)", "verify", by_default, data_limit_ms,
            reads(lba_32, len_10, verified),
            needs_medium(Handler::verify, medium, {{1, verify_flags}, {6, group}})),
    command(0x34, any, 10, "PRE-FETCH(10)", "pre-fetch", by_default, data_limit_ms,
            reads(lba_32, len_10, none)),
    command(0x35, any, 10, "SYNCHRONIZE CACHE(10)", "synchronize-cache", by_default, flush_limit_ms,
            flushes(lba_32, len_10),
            needs_medium(Handler::synchronize_cache, flush, {{1, 0x02}, {6, group}})),
    command(0x37, any, 10, "READ DEFECT DATA(10)", "read-defect-data", if_allowed, data_limit_ms,
            reply(len_10)),
    command(0x38, any, 10, "FORMAT WITH PRESET", "format-with-preset", if_allowed, medium_limit_ms,
            changes_all()),
    command(0x3B, any, 10, "WRITE BUFFER", "write-buffer", if_allowed, many_limit_ms,
            list_for_all(buffer_10)),
    command(0x3C, any, 10, "READ BUFFER(10)", "read-buffer", if_allowed, data_limit_ms,
            reply(buffer_10)),
    command(0x3E, any, 10, "READ LONG(10)", "read-long", if_allowed, data_limit_ms, reply(len_10)),
    command(0x3F, any, 10, "WRITE LONG(10)", "write-long", if_allowed, data_limit_ms,
            list_for_all(len_10)),
    command(0x41, any, 10, "WRITE SAME(10)", "write-same", if_allowed, many_limit_ms,
            writes(lba_32, len_10, one_block)),
    command(0x42, any, 10, "UNMAP", "unmap", if_allowed, many_limit_ms, list_for_all(len_10)),
    command(0x48, 0x01, 10, "SANITIZE OVERWRITE", "sanitize", if_allowed, medium_limit_ms,
            list_for_all(len_10)),
    command(0x48, 0x02, 10, "SANITIZE BLOCK ERASE", "sanitize", if_allowed, medium_limit_ms,
            list_for_all(len_10)),
    command(0x48, 0x03, 10, "SANITIZE CRYPTOGRAPHIC ERASE", "sanitize", if_allowed, medium_limit_ms,
            list_for_all(len_10)),
    command(0x48, 0x1F, 10, "SANITIZE EXIT FAILURE MODE", "sanitize", if_allowed, medium_limit_ms,
            list_for_all(len_10)),
    command(0x4C, any, 10, "LOG SELECT", "log-select", if_allowed, data_limit_ms, list(len_10)),
    command(0x4D, any, 10, "LOG SENSE", "log-sense", by_default, discovery_limit_ms, reply(len_10)),
    command(0x55, any, 10, "MODE SELECT(10)", "mode-select", if_allowed, data_limit_ms,
            list(len_10), target(Handler::mode_select, flush, {{1, 0x11}})),
    command(0x56, any, 10, "RESERVE(10)", "reserve", if_allowed, discovery_limit_ms, changes_all()),
    command(0x57, any, 10, "RELEASE(10)", "release", if_allowed, discovery_limit_ms, changes_all()),
    command(0x5A, any, 10, "MODE SENSE(10)", "mode-sense", by_default, discovery_limit_ms,
            edited(reply(len_10), ReplyEdit::write_protect),
            target(Handler::mode_sense, at_once, {{1, 0x18}, {2, 0xFF}, {3, 0xFF}})),
    command(0x5E, 0x00, 10, "PERSISTENT RESERVE IN READ KEYS", "persistent-reserve-in", if_allowed,
            discovery_limit_ms, reply(len_10)),
    command(0x5E, 0x01, 10, "PERSISTENT RESERVE IN READ RESERVATION", "persistent-reserve-in",
            if_allowed, discovery_limit_ms, reply(len_10)),
    command(0x5E, 0x02, 10, "PERSISTENT RESERVE IN REPORT CAPABILITIES", "persistent-reserve-in",
            if_allowed, discovery_limit_ms, reply(len_10)),
    command(0x5E, 0x03, 10, "PERSISTENT RESERVE IN READ FULL STATUS", "persistent-reserve-in",
            if_allowed, discovery_limit_ms, reply(len_10)),
    command(0x5F, 0x00, 10, "PERSISTENT RESERVE OUT REGISTER", "persistent-reserve-out", if_allowed,
            data_limit_ms, list(half_10)),
    command(0x5F, 0x01, 10, "PERSISTENT RESERVE OUT RESERVE", "persistent-reserve-out", if_allowed,
            data_limit_ms, list(half_10)),
    command(0x5F, 0x02, 10, "PERSISTENT RESERVE OUT RELEASE", "persistent-reserve-out", if_allowed,
            data_limit_ms, list(half_10)),
    command(0x5F, 0x03, 10, "PERSISTENT RESERVE OUT CLEAR", "persistent-reserve-out", if_allowed,
            data_limit_ms, list(half_10)),
    command(0x5F, 0x04, 10, "PERSISTENT RESERVE OUT PREEMPT", "persistent-reserve-out", if_allowed,
            data_limit_ms, list(half_10)),
    command(0x5F, 0x05, 10, "PERSISTENT RESERVE OUT PREEMPT AND ABORT", "persistent-reserve-out",
            if_allowed, data_limit_ms, list(half_10)),
    command(0x5F, 0x06, 10, "PERSISTENT RESERVE OUT REGISTER AND IGNORE EXISTING KEY",
            "persistent-reserve-out", if_allowed, data_limit_ms, list(half_10)),
    command(0x5F, 0x07, 10, "PERSISTENT RESERVE OUT REGISTER AND MOVE", "persistent-reserve-out",
            if_allowed, data_limit_ms, list(half_10)),
    command(0x5F, 0x08, 10, "PERSISTENT RESERVE OUT REPLACE LOST RESERVATION",
            "persistent-reserve-out", if_allowed, data_limit_ms, list(half_10)),
    command(0x7F, 0x09, 32, "READ(32)", "variable-length", if_allowed, data_limit_ms,
            reads(lba_variable, len_variable)),
    command(0x7F, 0x0A, 32, "VERIFY(32)", "variable-length", if_allowed, data_limit_ms,
            reads(lba_variable, len_variable, verified)),
    command(0x7F, 0x0B, 32, "WRITE(32)", "variable-length", if_allowed, data_limit_ms,
            writes(lba_variable, len_variable)),
    command(0x7F, 0x0C, 32, "WRITE AND VERIFY(32)", "variable-length", if_allowed, data_limit_ms,
            writes(lba_variable, len_variable)),
    command(0x7F, 0x0D, 32, "WRITE SAME(32)", "variable-length", if_allowed, many_limit_ms,
            writes(lba_variable, len_variable, one_block)),
    command(0x83, 0x00, 16, "EXTENDED COPY(LID1)", "extended-copy", if_allowed, many_limit_ms,
            list_for_all(len_16)),
    command(0x83, 0x01, 16, "EXTENDED COPY(LID4)", "extended-copy", if_allowed, many_limit_ms,
            list_for_all(len_16)),
    command(0x83, 0x10, 16, "POPULATE TOKEN", "extended-copy", if_allowed, many_limit_ms,
            list_for_all(len_16)),
    command(0x83, 0x11, 16, "WRITE USING TOKEN", "extended-copy", if_allowed, many_limit_ms,
            list_for_all(len_16)),
    command(0x83, 0x1C, 16, "COPY OPERATION ABORT", "extended-copy", if_allowed, many_limit_ms,
            changes_all()),
    command(0x84, 0x00, 16, "RECEIVE COPY STATUS(LID1)", "receive-copy", if_allowed,
            discovery_limit_ms, reply(len_16)),
    command(0x84, 0x01, 16, "RECEIVE COPY DATA(LID1)", "receive-copy", if_allowed,
            discovery_limit_ms, reply(len_16)),
    command(0x84, 0x03, 16, "RECEIVE COPY OPERATING PARAMETERS", "receive-copy", if_allowed,
            discovery_limit_ms, reply(len_16)),
    command(0x84, 0x04, 16, "RECEIVE COPY FAILURE DETAILS(LID1)", "receive-copy", if_allowed,
            discovery_limit_ms, reply(len_16)),
    command(0x84, 0x05, 16, "RECEIVE COPY STATUS(LID4)", "receive-copy", if_allowed,
            discovery_limit_ms, reply(len_16)),
    command(0x84, 0x06, 16, "RECEIVE COPY DATA(LID4)", "receive-copy", if_allowed,
            discovery_limit_ms, reply(len_16)),
    command(0x84, 0x07, 16, "RECEIVE ROD TOKEN INFORMATION", "receive-copy", if_allowed,
            discovery_limit_ms, reply(len_16)),
    command(0x84, 0x08, 16, "REPORT ALL ROD TOKENS", "receive-copy", if_allowed, discovery_limit_ms,
            reply(len_16)),
    command(0x85, any, 16, "ATA PASS-THROUGH(16)", "ata-pass-through", if_allowed, many_limit_ms,
            by_buffers(Direction::none)),
    command(0x88, any, 16, "READ(16)", "read", by_default, data_limit_ms, reads(lba_64, len_16),
            needs_medium(Handler::read, transfer, {{1, rw_flags}, {14, group}})),
    command(0x89, any, 16, "COMPARE AND WRITE", "compare-and-write", if_allowed, data_limit_ms,
            writes(lba_64, compare_16, twice)),
    command(0x8A, any, 16, "WRITE(16)", "write", by_default, data_limit_ms, writes(lba_64, len_16),
            needs_medium(Handler::write, transfer, {{1, rw_flags}, {14, group}})),
    command(0x8B, any, 16, "ORWRITE(16)", "orwrite", if_allowed, data_limit_ms,
            writes(lba_64, len_16)),
    command(0x8E, any, 16, "WRITE AND VERIFY(16)", "write-and-verify", by_default, data_limit_ms,
            writes(lba_64, len_16)),
    command(0x8F, any, 16, "VERIFY(16)", "verify", by_default, data_limit_ms,
            reads(lba_64, len_16, verified),
            needs_medium(Handler::verify, medium, {{1, verify_flags}, {14, group}})),
    command(0x90, any, 16, "PRE-FETCH(16)", "pre-fetch", by_default, data_limit_ms,
            reads(lba_64, len_16, none)),
    command(0x91, any, 16, "SYNCHRONIZE CACHE(16)", "synchronize-cache", by_default, flush_limit_ms,
            flushes(lba_64, len_16),
            needs_medium(Handler::synchronize_cache, flush, {{1, 0x02}, {14, group}})),
    command(0x93, any, 16, "WRITE SAME(16)", "write-same", if_allowed, many_limit_ms,
            writes(lba_64, len_16, one_block)),
    command(0x94, 0x01, 16, "CLOSE ZONE", "close-zone", by_default, data_limit_ms,
            acts(Operation::close), needs_zones(Handler::zone_action, {{14, 0x01}})),
    command(0x94, 0x02, 16, "FINISH ZONE", "finish-zone", by_default, data_limit_ms,
            acts(Operation::finish), needs_zones(Handler::zone_action, {{14, 0x01}})),
    command(0x94, 0x03, 16, "OPEN ZONE", "open-zone", by_default, data_limit_ms,
            acts(Operation::open), needs_zones(Handler::zone_action, {{14, 0x01}})),
    command(0x94, 0x04, 16, "RESET WRITE POINTER", "reset-write-pointer", by_default, data_limit_ms,
            acts(Operation::reset), needs_zones(Handler::zone_action, {{14, 0x01}})),
    command(0x94, 0x10, 16, "SEQUENTIALIZE ZONE", "sequentialize-zone", by_default, data_limit_ms,
            acts(std::nullopt)),
    command(0x95, 0x00, 16, "REPORT ZONES", "report-zones", by_default, report_limit_ms,
            reports_zones(), needs_zones(Handler::report_zones, {{14, 0xBF}})),
    command(0x95, 0x06, 16, "REPORT REALMS", "report-realms", by_default, report_limit_ms,
            reply(len_16)),
    command(0x95, 0x07, 16, "REPORT ZONE DOMAINS", "report-zone-domains", by_default,
            report_limit_ms, reply(len_16)),
    // By its opcode ZONE ACTIVATE only asks; it changes zones into others all the same.
    command(0x95, 0x08, 16, "ZONE ACTIVATE(16)", "zone-activate", if_allowed, many_limit_ms,
            that_changes(reply(half_16), ZoneTouch::everything)),
    command(0x95, 0x09, 16, "ZONE QUERY(16)", "zone-query", by_default, report_limit_ms,
            reply(half_16)),
    command(0x9A, any, 16, "WRITE STREAM(16)", "write-stream", if_allowed, data_limit_ms,
            writes(lba_64, half_16)),
    command(0x9B, any, 16, "READ BUFFER(16)", "read-buffer", if_allowed, data_limit_ms,
            reply(len_16)),
    command(0x9C, any, 16, "WRITE ATOMIC(16)", "write-atomic", by_default, data_limit_ms,
            writes(lba_64, half_16)),
    command(0x9E, 0x10, 16, "READ CAPACITY(16)", "read-capacity", by_default, discovery_limit_ms,
            reply(len_16), target(Handler::read_capacity_16, at_once)),
    command(0x9E, 0x11, 16, "READ LONG(16)", "read-long", if_allowed, data_limit_ms,
            reply(half_16)),
    command(0x9E, 0x12, 16, "GET LBA STATUS(16)", "get-lba-status", by_default, report_limit_ms,
            reply(len_16)),
    command(0x9E, 0x13, 16, "REPORT REFERRALS", "report-referrals", if_allowed, discovery_limit_ms,
            reply(len_16)),
    command(0x9E, 0x14, 16, "STREAM CONTROL", "stream-control", if_allowed, discovery_limit_ms,
            that_changes(reply(len_16), ZoneTouch::none)),
    command(0x9E, 0x15, 16, "BACKGROUND CONTROL", "background-control", if_allowed,
            discovery_limit_ms, that_changes(nothing(), ZoneTouch::none)),
    command(0x9E, 0x16, 16, "GET STREAM STATUS", "get-stream-status", by_default,
            discovery_limit_ms, reply(len_16)),
    command(0x9E, 0x17, 16, "GET PHYSICAL ELEMENT STATUS", "get-physical-element-status",
            if_allowed, discovery_limit_ms, reply(len_16)),
    command(0x9E, 0x18, 16, "REMOVE ELEMENT AND TRUNCATE", "remove-element", if_allowed,
            medium_limit_ms, changes_all()),
    command(0x9E, 0x19, 16, "RESTORE ELEMENTS AND REBUILD", "restore-elements", if_allowed,
            medium_limit_ms, changes_all()),
    command(0x9E, 0x1A, 16, "REMOVE ELEMENT AND MODIFY ZONES", "remove-element", if_allowed,
            medium_limit_ms, changes_all()),
    command(0x9F, 0x11, 16, "WRITE LONG(16)", "write-long", if_allowed, data_limit_ms,
            list_for_all(half_16)),
    command(0x9F, 0x12, 16, "WRITE SCATTERED(16)", "write-scattered", if_allowed, many_limit_ms,
            with_rule(list_for_all(len_16), blocks)),
    command(0xA0, any, 12, "REPORT LUNS", "report-luns", answered_above, discovery_limit_ms,
            reply(len_12), passes_attention(Handler::front_end, {{2, 0xFF}})),
    command(0xA1, any, 12, "ATA PASS-THROUGH(12)", "ata-pass-through", if_allowed, many_limit_ms,
            by_buffers(Direction::none)),
    command(0xA2, any, 12, "SECURITY PROTOCOL IN", "security-protocol-in", if_allowed,
            data_limit_ms, with_rule(reply(len_12), field_512)),
    command(0xA3, 0x05, 12, "REPORT IDENTIFYING INFORMATION", "report-identifying-information",
            if_allowed, discovery_limit_ms, reply(len_12)),
    command(0xA3, 0x0A, 12, "REPORT TARGET PORT GROUPS", "report-target-port-groups", if_allowed,
            discovery_limit_ms, reply(len_12)),
    command(0xA3, 0x0C, 12, "REPORT SUPPORTED OPERATION CODES", "report-supported-operation-codes",
            by_default, discovery_limit_ms, edited(reply(len_12), ReplyEdit::supported_commands),
            target(Handler::report_supported_opcodes, at_once,
                   {{2, 0x87}, {3, 0xFF}, {4, 0xFF}, {5, 0xFF}})),
    command(0xA3, 0x0D, 12, "REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS",
            "report-supported-task-management-functions", by_default, discovery_limit_ms,
            reply(len_12), target(Handler::report_supported_tmfs, at_once, {{2, 0x80}})),
    command(0xA3, 0x0F, 12, "REPORT TIMESTAMP", "report-timestamp", if_allowed, discovery_limit_ms,
            reply(len_12)),
    command(0xA4, 0x06, 12, "SET IDENTIFYING INFORMATION", "set-identifying-information",
            if_allowed, data_limit_ms, list(len_12)),
    command(0xA4, 0x0A, 12, "SET TARGET PORT GROUPS", "set-target-port-groups", if_allowed,
            data_limit_ms, list(len_12)),
    command(0xA4, 0x0F, 12, "SET TIMESTAMP", "set-timestamp", if_allowed, data_limit_ms,
            list(len_12)),
    command(0xA8, any, 12, "READ(12)", "read", by_default, data_limit_ms, reads(lba_32, len_12),
            needs_medium(Handler::read, transfer, {{1, rw_flags}, {10, group}})),
    command(0xAA, any, 12, "WRITE(12)", "write", by_default, data_limit_ms, writes(lba_32, len_12),
            needs_medium(Handler::write, transfer, {{1, rw_flags}, {10, group}})),
    command(0xAE, any, 12, "WRITE AND VERIFY(12)", "write-and-verify", by_default, data_limit_ms,
            writes(lba_32, len_12)),
    command(0xAF, any, 12, "VERIFY(12)", "verify", by_default, data_limit_ms,
            reads(lba_32, len_12, verified),
            needs_medium(Handler::verify, medium, {{1, verify_flags}, {10, group}})),
    command(0xB5, any, 12, "SECURITY PROTOCOL OUT", "security-protocol-out", if_allowed,
            data_limit_ms, with_rule(list_for_all(len_12), field_512)),
    command(0xB7, any, 12, "READ DEFECT DATA(12)", "read-defect-data", if_allowed, data_limit_ms,
            reply(len_12)),
};

// The opcodes whose CDBs have a service action, by SPC-5, SBC-4, ZBC-2 and SCC-2; with commands that
// the table does not have. 3Bh, 3Ch and 9Bh have a mode.
constexpr std::array<std::uint8_t, 26> with_action{
    0x3B, 0x3C, 0x48, 0x5E, 0x5F, 0x7F, 0x83, 0x84, 0x86, 0x87, 0x94, 0x95, 0x9B,
    0x9D, 0x9E, 0x9F, 0xA3, 0xA4, 0xA9, 0xAB, 0xBA, 0xBB, 0xBC, 0xBD, 0xBE, 0xBF};

constexpr auto has_action_of = [] {
    std::array<bool, 256> has{};
    for (const auto opcode : with_action) has[opcode] = true;
    return has;
}();

/// Rows of an opcode: [first, end).
struct Rows {
    std::uint8_t first = 0;
    std::uint8_t end = 0;
};
static_assert(table.size() <= 255);

constexpr auto rows_of = [] {
    std::array<Rows, 256> rows{};
    for (std::size_t i = table.size(); i > 0; --i) {
        auto& of = rows[table[i - 1].opcode];
        of.first = static_cast<std::uint8_t>(i - 1);
        if (of.end == 0) of.end = static_cast<std::uint8_t>(i);
    }
    return rows;
}();
// The index above needs this order; tests/unit/zbc/commands_test.cc checks the rest.
static_assert(std::is_sorted(table.begin(), table.end(), [](const auto& a, const auto& b) {
    return a.opcode != b.opcode ? a.opcode < b.opcode : a.action < b.action;
}));

inline const CommandInfo* find(std::uint8_t opcode, std::uint16_t action) noexcept {
    const auto rows = rows_of[opcode];
    const auto* const end = table.data() + rows.end;
    for (const auto* row = table.data() + rows.first; row != end; ++row)
        if (!row->action || *row->action == action) return row;
    return nullptr;
}

}  // namespace

std::span<const CommandInfo> all_commands() noexcept {
    return table;
}

std::span<const CommandInfo> commands_of(std::uint8_t opcode) noexcept {
    const auto rows = rows_of[opcode];
    return std::span(table).subspan(rows.first, std::size_t{rows.end} - rows.first);
}

bool has_action(std::uint8_t opcode) noexcept {
    return has_action_of[opcode];
}

const CommandInfo* find_command(std::uint8_t opcode, std::uint16_t action) noexcept {
    return find(opcode, action);
}

tl::expected<const CommandInfo*, Sense> find_target_command(ByteView cdb, bool zoned) noexcept {
    if (cdb.size() == 0) return tl::unexpected(invalid_field_in_cdb(0));
    const auto has = [zoned](const CommandInfo& row) {
        return row.target && (zoned || !row.target->zoned);
    };
    const auto* const found = find(cdb.u8(0), cdb.u8(1) & 0x1F);
    if (found == nullptr || !has(*found)) [[unlikely]] {
        const auto rows = commands_of(cdb.u8(0));
        const auto others = std::any_of(rows.begin(), rows.end(), has);
        return tl::unexpected(others ? invalid_field_in_cdb(1, std::uint8_t{4}) : invalid_opcode());
    }
    if (!cdb.covers(0, found->cdb_length)) [[unlikely]]
        return tl::unexpected(invalid_field_in_cdb(static_cast<std::uint16_t>(cdb.size())));
    const auto control = static_cast<std::uint16_t>(found->cdb_length - 1);
    if (cdb.bit(control, naca_bit)) [[unlikely]]
        return tl::unexpected(invalid_field_in_cdb(control, naca_bit));
    return found;
}

}  // namespace zonebridge::zbc
