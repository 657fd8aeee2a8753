#include "zbc/passed_commands.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "zbc/time_limits.h"

namespace zonebridge::zbc {
namespace {

using Name = std::string_view;
using Action = std::optional<std::uint16_t>;
using enum Passing;
using enum ZoneTouch;

/// A field: its first byte, and how many.
struct At {
    std::uint8_t byte;
    std::uint8_t width;
};

constexpr std::uint8_t length_of_group(std::uint8_t opcode) noexcept {
    constexpr std::array<std::uint8_t, 8> lengths{6, 10, 10, 32, 16, 12, 0, 0};
    return lengths[opcode >> 5];
}

/// No data, nothing changed.
constexpr PassedCommand plain(Name name, Name allow, std::uint8_t opcode, Action action,
                              Passing passing, std::uint32_t limit) {
    PassedCommand row;
    row.name = name;
    row.allow_name = allow;
    row.opcode = opcode;
    row.action = action;
    row.cdb_length = length_of_group(opcode);
    row.passing = passing;
    row.limit_ms = limit;
    return row;
}

/// No data, but the disk is another one afterwards, anywhere on it.
constexpr PassedCommand deed(Name name, Name allow, std::uint8_t opcode, Action action,
                             std::uint32_t limit) {
    auto row = plain(name, allow, opcode, action, if_allowed, limit);
    row.touch = everything;
    row.changes = true;
    return row;
}

/// A reply of at most an allocation length.
constexpr PassedCommand ask(Name name, Name allow, std::uint8_t opcode, Action action, At length,
                            Passing passing, std::uint32_t limit = discovery_limit_ms) {
    auto row = plain(name, allow, opcode, action, passing, limit);
    row.direction = Direction::in;
    row.rule = LengthRule::field;
    row.length_at = length.byte;
    row.length_width = length.width;
    return row;
}

/// A parameter list that changes something besides the medium's data.
constexpr PassedCommand tell(Name name, Name allow, std::uint8_t opcode, Action action, At length,
                             std::uint32_t limit = data_limit_ms) {
    auto row = ask(name, allow, opcode, action, length, if_allowed, limit);
    row.direction = Direction::out;
    row.changes = true;
    return row;
}

/// The same, to the medium or to what is true of it.
constexpr PassedCommand tell_all(Name name, Name allow, std::uint8_t opcode, Action action,
                                 At length, std::uint32_t limit) {
    auto row = tell(name, allow, opcode, action, length, limit);
    row.touch = everything;
    return row;
}

/// Blocks at an LBA.
constexpr PassedCommand range(Name name, Name allow, std::uint8_t opcode, Action action, At lba,
                              At length, ZoneTouch touch, LengthRule rule, Passing passing,
                              std::uint32_t limit = data_limit_ms) {
    auto row = plain(name, allow, opcode, action, passing, limit);
    row.direction = touch == writes || rule == LengthRule::verified ? Direction::out
                    : touch == reads && rule != LengthRule::none    ? Direction::in
                                                                    : Direction::none;
    row.rule = rule;
    row.length_at = length.byte;
    row.length_width = length.width;
    row.touch = touch;
    row.lba_at = lba.byte;
    row.lba_width = lba.width;
    row.changes = touch == writes;
    return row;
}

constexpr PassedCommand zone_action(Name name, Name allow, std::uint16_t action) {
    auto row = plain(name, allow, 0x94, action, by_default, data_limit_ms);
    row.touch = acts;
    row.lba_at = 2;
    row.lba_width = 8;
    row.changes = true;
    return row;
}

/// Direction and length as the buffers have them.
constexpr PassedCommand loose(PassedCommand row, Direction direction = Direction::none) {
    row.direction = direction;
    row.rule = LengthRule::buffers;
    return row;
}

constexpr PassedCommand fixed(PassedCommand row, std::uint8_t length) {
    row.rule = LengthRule::fixed;
    row.length_at = length;
    row.length_width = 0;
    return row;
}

constexpr PassedCommand in_512(PassedCommand row) {
    row.rule = LengthRule::field_512;
    return row;
}

constexpr PassedCommand scattered(PassedCommand row) {
    row.rule = LengthRule::blocks;
    return row;
}

constexpr Action no_action{};
constexpr At lba_6{1, 3}, lba_32{2, 4}, lba_64{2, 8}, lba_variable{12, 8};
constexpr At len_6{4, 1}, len_10{7, 2}, len_12{6, 4}, len_16{10, 4}, len_variable{28, 4};
constexpr At half_16{12, 2};
constexpr auto asked = discovery_limit_ms;
constexpr auto many = many_limit_ms;
constexpr auto medium = medium_limit_ms;

// By opcode, then by service action. What passes by default and why: docs/passthrough.md.
constexpr std::array table{
    plain("TEST UNIT READY", "test-unit-ready", 0x00, no_action, by_default, asked),
    ask("REQUEST SENSE", "request-sense", 0x03, no_action, len_6, by_default),
    loose(deed("FORMAT UNIT", "format-unit", 0x04, no_action, medium), Direction::out),
    loose(deed("REASSIGN BLOCKS", "reassign-blocks", 0x07, no_action, many), Direction::out),
    range("READ(6)", "read", 0x08, no_action, lba_6, len_6, reads, LengthRule::blocks_256,
          by_default),
    range("WRITE(6)", "write", 0x0A, no_action, lba_6, len_6, writes, LengthRule::blocks_256,
          by_default),
    ask("INQUIRY", "inquiry", 0x12, no_action, {3, 2}, by_default),
    tell("MODE SELECT(6)", "mode-select", 0x15, no_action, len_6),
    deed("RESERVE(6)", "reserve", 0x16, no_action, asked),
    deed("RELEASE(6)", "release", 0x17, no_action, asked),
    ask("MODE SENSE(6)", "mode-sense", 0x1A, no_action, len_6, by_default),
    plain("START STOP UNIT", "start-stop-unit", 0x1B, no_action, if_allowed, flush_limit_ms),
    ask("RECEIVE DIAGNOSTIC RESULTS", "receive-diagnostic-results", 0x1C, no_action, {3, 2},
        if_allowed),
    tell_all("SEND DIAGNOSTIC", "send-diagnostic", 0x1D, no_action, {3, 2}, medium),
    plain("PREVENT ALLOW MEDIUM REMOVAL", "prevent-allow-medium-removal", 0x1E, no_action,
          if_allowed, asked),
    fixed(ask("READ CAPACITY(10)", "read-capacity", 0x25, no_action, {}, by_default), 8),
    range("READ(10)", "read", 0x28, no_action, lba_32, len_10, reads, LengthRule::blocks,
          by_default),
    range("WRITE(10)", "write", 0x2A, no_action, lba_32, len_10, writes, LengthRule::blocks,
          by_default),
    range("WRITE AND VERIFY(10)", "write-and-verify", 0x2E, no_action, lba_32, len_10, writes,
          LengthRule::blocks, by_default),
    range("VERIFY(10)", "verify", 0x2F, no_action, lba_32, len_10, reads, LengthRule::verified,
          by_default),
    range("PRE-FETCH(10)", "pre-fetch", 0x34, no_action, lba_32, len_10, reads, LengthRule::none,
          by_default),
    range("SYNCHRONIZE CACHE(10)", "synchronize-cache", 0x35, no_action, lba_32, len_10, flushes,
          LengthRule::none, by_default, flush_limit_ms),
    ask("READ DEFECT DATA(10)", "read-defect-data", 0x37, no_action, len_10, if_allowed,
        data_limit_ms),
    deed("FORMAT WITH PRESET", "format-with-preset", 0x38, no_action, medium),
    tell_all("WRITE BUFFER", "write-buffer", 0x3B, no_action, {6, 3}, many),
    ask("READ BUFFER(10)", "read-buffer", 0x3C, no_action, {6, 3}, if_allowed, data_limit_ms),
    ask("READ LONG(10)", "read-long", 0x3E, no_action, len_10, if_allowed, data_limit_ms),
    tell_all("WRITE LONG(10)", "write-long", 0x3F, no_action, len_10, data_limit_ms),
    range("WRITE SAME(10)", "write-same", 0x41, no_action, lba_32, len_10, writes,
          LengthRule::one_block, if_allowed, many),
    tell_all("UNMAP", "unmap", 0x42, no_action, len_10, many),
    tell_all("SANITIZE OVERWRITE", "sanitize", 0x48, 0x01, len_10, medium),
    tell_all("SANITIZE BLOCK ERASE", "sanitize", 0x48, 0x02, len_10, medium),
    tell_all("SANITIZE CRYPTOGRAPHIC ERASE", "sanitize", 0x48, 0x03, len_10, medium),
    tell_all("SANITIZE EXIT FAILURE MODE", "sanitize", 0x48, 0x1F, len_10, medium),
    tell("LOG SELECT", "log-select", 0x4C, no_action, len_10),
    ask("LOG SENSE", "log-sense", 0x4D, no_action, len_10, by_default),
    tell("MODE SELECT(10)", "mode-select", 0x55, no_action, len_10),
    deed("RESERVE(10)", "reserve", 0x56, no_action, asked),
    deed("RELEASE(10)", "release", 0x57, no_action, asked),
    ask("MODE SENSE(10)", "mode-sense", 0x5A, no_action, len_10, by_default),
    ask("PERSISTENT RESERVE IN READ KEYS", "persistent-reserve-in", 0x5E, 0x00, len_10, if_allowed),
    ask("PERSISTENT RESERVE IN READ RESERVATION", "persistent-reserve-in", 0x5E, 0x01, len_10,
        if_allowed),
    ask("PERSISTENT RESERVE IN REPORT CAPABILITIES", "persistent-reserve-in", 0x5E, 0x02, len_10,
        if_allowed),
    ask("PERSISTENT RESERVE IN READ FULL STATUS", "persistent-reserve-in", 0x5E, 0x03, len_10,
        if_allowed),
    tell("PERSISTENT RESERVE OUT REGISTER", "persistent-reserve-out", 0x5F, 0x00, {5, 4}),
    tell("PERSISTENT RESERVE OUT RESERVE", "persistent-reserve-out", 0x5F, 0x01, {5, 4}),
    tell("PERSISTENT RESERVE OUT RELEASE", "persistent-reserve-out", 0x5F, 0x02, {5, 4}),
    tell("PERSISTENT RESERVE OUT CLEAR", "persistent-reserve-out", 0x5F, 0x03, {5, 4}),
    tell("PERSISTENT RESERVE OUT PREEMPT", "persistent-reserve-out", 0x5F, 0x04, {5, 4}),
    tell("PERSISTENT RESERVE OUT PREEMPT AND ABORT", "persistent-reserve-out", 0x5F, 0x05, {5, 4}),
    tell("PERSISTENT RESERVE OUT REGISTER AND IGNORE EXISTING KEY", "persistent-reserve-out", 0x5F,
         0x06, {5, 4}),
    tell("PERSISTENT RESERVE OUT REGISTER AND MOVE", "persistent-reserve-out", 0x5F, 0x07, {5, 4}),
    tell("PERSISTENT RESERVE OUT REPLACE LOST RESERVATION", "persistent-reserve-out", 0x5F, 0x08,
         {5, 4}),
    range("READ(32)", "variable-length", 0x7F, 0x09, lba_variable, len_variable, reads,
          LengthRule::blocks, if_allowed),
    range("VERIFY(32)", "variable-length", 0x7F, 0x0A, lba_variable, len_variable, reads,
          LengthRule::verified, if_allowed),
    range("WRITE(32)", "variable-length", 0x7F, 0x0B, lba_variable, len_variable, writes,
          LengthRule::blocks, if_allowed),
    range("WRITE AND VERIFY(32)", "variable-length", 0x7F, 0x0C, lba_variable, len_variable, writes,
          LengthRule::blocks, if_allowed),
    range("WRITE SAME(32)", "variable-length", 0x7F, 0x0D, lba_variable, len_variable, writes,
          LengthRule::one_block, if_allowed, many),
    tell_all("EXTENDED COPY(LID1)", "extended-copy", 0x83, 0x00, len_16, many),
    tell_all("EXTENDED COPY(LID4)", "extended-copy", 0x83, 0x01, len_16, many),
    tell_all("POPULATE TOKEN", "extended-copy", 0x83, 0x10, len_16, many),
    tell_all("WRITE USING TOKEN", "extended-copy", 0x83, 0x11, len_16, many),
    deed("COPY OPERATION ABORT", "extended-copy", 0x83, 0x1C, many),
    ask("RECEIVE COPY STATUS(LID1)", "receive-copy", 0x84, 0x00, len_16, if_allowed),
    ask("RECEIVE COPY DATA(LID1)", "receive-copy", 0x84, 0x01, len_16, if_allowed),
    ask("RECEIVE COPY OPERATING PARAMETERS", "receive-copy", 0x84, 0x03, len_16, if_allowed),
    ask("RECEIVE COPY FAILURE DETAILS(LID1)", "receive-copy", 0x84, 0x04, len_16, if_allowed),
    ask("RECEIVE COPY STATUS(LID4)", "receive-copy", 0x84, 0x05, len_16, if_allowed),
    ask("RECEIVE COPY DATA(LID4)", "receive-copy", 0x84, 0x06, len_16, if_allowed),
    ask("RECEIVE ROD TOKEN INFORMATION", "receive-copy", 0x84, 0x07, len_16, if_allowed),
    ask("REPORT ALL ROD TOKENS", "receive-copy", 0x84, 0x08, len_16, if_allowed),
    loose(deed("ATA PASS-THROUGH(16)", "ata-pass-through", 0x85, no_action, many)),
    range("READ(16)", "read", 0x88, no_action, lba_64, len_16, reads, LengthRule::blocks,
          by_default),
    range("COMPARE AND WRITE", "compare-and-write", 0x89, no_action, lba_64, {13, 1}, writes,
          LengthRule::twice, if_allowed),
    range("WRITE(16)", "write", 0x8A, no_action, lba_64, len_16, writes, LengthRule::blocks,
          by_default),
    range("ORWRITE(16)", "orwrite", 0x8B, no_action, lba_64, len_16, writes, LengthRule::blocks,
          if_allowed),
    range("WRITE AND VERIFY(16)", "write-and-verify", 0x8E, no_action, lba_64, len_16, writes,
          LengthRule::blocks, by_default),
    range("VERIFY(16)", "verify", 0x8F, no_action, lba_64, len_16, reads, LengthRule::verified,
          by_default),
    range("PRE-FETCH(16)", "pre-fetch", 0x90, no_action, lba_64, len_16, reads, LengthRule::none,
          by_default),
    range("SYNCHRONIZE CACHE(16)", "synchronize-cache", 0x91, no_action, lba_64, len_16, flushes,
          LengthRule::none, by_default, flush_limit_ms),
    range("WRITE SAME(16)", "write-same", 0x93, no_action, lba_64, len_16, writes,
          LengthRule::one_block, if_allowed, many),
    zone_action("CLOSE ZONE", "close-zone", 0x01),
    zone_action("FINISH ZONE", "finish-zone", 0x02),
    zone_action("OPEN ZONE", "open-zone", 0x03),
    zone_action("RESET WRITE POINTER", "reset-write-pointer", 0x04),
    zone_action("SEQUENTIALIZE ZONE", "sequentialize-zone", 0x10),
    ask("REPORT ZONES", "report-zones", 0x95, 0x00, len_16, by_default, report_limit_ms),
    ask("REPORT REALMS", "report-realms", 0x95, 0x06, len_16, by_default, report_limit_ms),
    ask("REPORT ZONE DOMAINS", "report-zone-domains", 0x95, 0x07, len_16, by_default,
        report_limit_ms),
    [] {  // a question's opcode, and yet it makes other zones of them
        auto row = ask("ZONE ACTIVATE(16)", "zone-activate", 0x95, 0x08, half_16, if_allowed, many);
        row.touch = everything;
        row.changes = true;
        return row;
    }(),
    ask("ZONE QUERY(16)", "zone-query", 0x95, 0x09, half_16, by_default, report_limit_ms),
    range("WRITE STREAM(16)", "write-stream", 0x9A, no_action, lba_64, half_16, writes,
          LengthRule::blocks, if_allowed),
    ask("READ BUFFER(16)", "read-buffer", 0x9B, no_action, len_16, if_allowed, data_limit_ms),
    range("WRITE ATOMIC(16)", "write-atomic", 0x9C, no_action, lba_64, half_16, writes,
          LengthRule::blocks, by_default),
    ask("READ CAPACITY(16)", "read-capacity", 0x9E, 0x10, len_16, by_default),
    ask("READ LONG(16)", "read-long", 0x9E, 0x11, half_16, if_allowed, data_limit_ms),
    ask("GET LBA STATUS(16)", "get-lba-status", 0x9E, 0x12, len_16, by_default, report_limit_ms),
    ask("REPORT REFERRALS", "report-referrals", 0x9E, 0x13, len_16, if_allowed),
    [] {
        auto row = ask("STREAM CONTROL", "stream-control", 0x9E, 0x14, len_16, if_allowed);
        row.changes = true;
        return row;
    }(),
    [] {
        auto row = plain("BACKGROUND CONTROL", "background-control", 0x9E, 0x15, if_allowed, asked);
        row.changes = true;
        return row;
    }(),
    ask("GET STREAM STATUS", "get-stream-status", 0x9E, 0x16, len_16, by_default),
    ask("GET PHYSICAL ELEMENT STATUS", "get-physical-element-status", 0x9E, 0x17, len_16,
        if_allowed),
    deed("REMOVE ELEMENT AND TRUNCATE", "remove-element", 0x9E, 0x18, medium),
    deed("RESTORE ELEMENTS AND REBUILD", "restore-elements", 0x9E, 0x19, medium),
    deed("REMOVE ELEMENT AND MODIFY ZONES", "remove-element", 0x9E, 0x1A, medium),
    tell_all("WRITE LONG(16)", "write-long", 0x9F, 0x11, half_16, data_limit_ms),
    scattered(tell_all("WRITE SCATTERED(16)", "write-scattered", 0x9F, 0x12, len_16, many)),
    ask("REPORT LUNS", "report-luns", 0xA0, no_action, len_12, answered_above),
    loose(deed("ATA PASS-THROUGH(12)", "ata-pass-through", 0xA1, no_action, many)),
    in_512(ask("SECURITY PROTOCOL IN", "security-protocol-in", 0xA2, no_action, len_12, if_allowed,
               data_limit_ms)),
    ask("REPORT IDENTIFYING INFORMATION", "report-identifying-information", 0xA3, 0x05, len_12,
        if_allowed),
    ask("REPORT TARGET PORT GROUPS", "report-target-port-groups", 0xA3, 0x0A, len_12, if_allowed),
    ask("REPORT SUPPORTED OPERATION CODES", "report-supported-operation-codes", 0xA3, 0x0C, len_12,
        by_default),
    ask("REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS", "report-supported-task-management-functions",
        0xA3, 0x0D, len_12, by_default),
    ask("REPORT TIMESTAMP", "report-timestamp", 0xA3, 0x0F, len_12, if_allowed),
    tell("SET IDENTIFYING INFORMATION", "set-identifying-information", 0xA4, 0x06, len_12),
    tell("SET TARGET PORT GROUPS", "set-target-port-groups", 0xA4, 0x0A, len_12),
    tell("SET TIMESTAMP", "set-timestamp", 0xA4, 0x0F, len_12),
    range("READ(12)", "read", 0xA8, no_action, lba_32, len_12, reads, LengthRule::blocks,
          by_default),
    range("WRITE(12)", "write", 0xAA, no_action, lba_32, len_12, writes, LengthRule::blocks,
          by_default),
    range("WRITE AND VERIFY(12)", "write-and-verify", 0xAE, no_action, lba_32, len_12, writes,
          LengthRule::blocks, by_default),
    range("VERIFY(12)", "verify", 0xAF, no_action, lba_32, len_12, reads, LengthRule::verified,
          by_default),
    in_512(tell_all("SECURITY PROTOCOL OUT", "security-protocol-out", 0xB5, no_action, len_12,
                    data_limit_ms)),
    ask("READ DEFECT DATA(12)", "read-defect-data", 0xB7, no_action, len_12, if_allowed,
        data_limit_ms),
};

constexpr std::array<std::uint8_t, 25> with_action{
    0x3B, 0x3C, 0x48, 0x5E, 0x5F, 0x7F, 0x83, 0x84, 0x86, 0x87, 0x94, 0x95, 0x9B,
    0x9D, 0x9E, 0x9F, 0xA3, 0xA4, 0xA9, 0xAB, 0xBA, 0xBB, 0xBC, 0xBD, 0xBE};

constexpr std::size_t actions = 32;

constexpr auto has_action_of = [] {
    std::array<bool, 256> has{};
    for (const auto opcode : with_action) has[opcode] = true;
    has[0xBF] = true;
    return has;
}();

// One past a command's index; 0: there is none. An entry without an action stands for all of its
// opcode's.
constexpr auto index_of = [] {
    std::array<std::array<std::uint8_t, actions>, 256> index{};
    for (std::size_t i = 0; i < table.size(); ++i)
        for (std::size_t action = 0; action < actions; ++action)
            if (!table[i].action || *table[i].action == action)
                index[table[i].opcode][action] = static_cast<std::uint8_t>(i + 1);
    return index;
}();
static_assert(table.size() < 255);
static_assert(std::is_sorted(table.begin(), table.end(), [](const auto& a, const auto& b) {
    return a.opcode != b.opcode ? a.opcode < b.opcode : a.action < b.action;
}));
static_assert(std::all_of(table.begin(), table.end(), [](const auto& row) {
    return (!row.action || (has_action_of[row.opcode] && *row.action < actions)) &&
           row.limit_ms != 0 && row.cdb_length != 0;
}));

}  // namespace

std::span<const PassedCommand> all_passed_commands() noexcept {
    return table;
}

bool has_action(std::uint8_t opcode) noexcept {
    return has_action_of[opcode];
}

std::uint16_t action_of(ByteView cdb) noexcept {
    const auto opcode = cdb.u8(0);
    if (!has_action(opcode)) return 0;
    return opcode == variable_length ? cdb.be16(8) : static_cast<std::uint16_t>(cdb.u8(1) & 0x1F);
}

const PassedCommand* find_passed_command(std::uint8_t opcode, std::uint16_t action) noexcept {
    if (!has_action(opcode)) action = 0;
    if (action >= actions) return nullptr;
    const auto index = index_of[opcode][action];
    return index == 0 ? nullptr : &table[index - std::size_t{1}];
}

std::optional<std::size_t> cdb_length_of(ByteView cdb) noexcept {
    const auto opcode = cdb.u8(0);
    if (opcode == variable_length) {
        const std::size_t length = std::size_t{8} + cdb.u8(7);
        if (length < 12 || length % 4 != 0) return std::nullopt;
        return length;
    }
    const auto group = opcode >> 5;
    if (group != 3 && group < 6) return length_of_group(opcode);
    std::size_t length = cdb.size();
    while (length > 16 && cdb.u8(length - 1) == 0) --length;
    return std::max<std::size_t>(length, 16);
}

std::size_t describe_cdb(ByteView cdb, std::span<char> out) noexcept {
    if (cdb.size() == 0) return 0;
    const auto opcode = cdb.u8(0);
    const auto action = action_of(cdb);
    const auto* const command = find_passed_command(opcode, action);
    const auto name = command ? command->name : std::string_view("opcode");
    const auto written =
        has_action(opcode)
            ? fmt::format_to_n(out.data(), out.size(), "{} {:02X}h/{:02X}h", name, opcode, action)
            : fmt::format_to_n(out.data(), out.size(), "{} {:02X}h", name, opcode);
    return std::min(written.size, out.size());
}

}  // namespace zonebridge::zbc
