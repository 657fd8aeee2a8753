// How a row of the command table is written: command(), with what the command moves and does, and
// what the target does with it. Only command_table.cc includes this.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string_view>

#include "zbc/commands.h"

namespace zonebridge::zbc::rows {

using Name = std::string_view;
using Action = std::optional<std::uint16_t>;
using enum Passing;
using enum LengthRule;

// ---- Fields.

inline constexpr CdbField lba_6{1, 3}, lba_32{2, 4}, lba_64{2, 8}, lba_variable{12, 8};
inline constexpr CdbField len_6{4, 1}, len_10{7, 2}, len_12{6, 4}, len_16{10, 4},
    len_variable{28, 4};
inline constexpr CdbField half_6{3, 2}, half_10{5, 4}, half_16{12, 2}, buffer_10{6, 3};
inline constexpr CdbField compare_16{13, 1};

// ---- What a command moves and does: a row without the columns that name the command.

/// No data, no change.
constexpr CommandInfo nothing() {
    return {};
}

/// No data, but a change that may concern the whole disk.
constexpr CommandInfo changes_all() {
    CommandInfo row;
    row.touch = ZoneTouch::everything;
    row.changes = true;
    return row;
}

/// A reply of at most an allocation length.
constexpr CommandInfo reply(CdbField length, CdbField lba = {}) {
    CommandInfo row;
    row.direction = Direction::in;
    row.rule = field;
    row.length = length;
    row.lba = lba;
    return row;
}

constexpr CommandInfo fixed_reply(std::uint8_t length) {
    CommandInfo row;
    row.direction = Direction::in;
    row.rule = fixed;
    row.fixed_length = length;
    return row;
}

/// A parameter list that changes settings, but not the medium's data.
constexpr CommandInfo list(CdbField length) {
    auto row = reply(length);
    row.direction = Direction::out;
    row.changes = true;
    return row;
}

/// A parameter list that changes the medium's data, or may.
constexpr CommandInfo list_for_all(CdbField length) {
    auto row = list(length);
    row.touch = ZoneTouch::everything;
    return row;
}

constexpr CommandInfo range(ZoneTouch touch, Operation operation, CdbField lba, CdbField length) {
    CommandInfo row;
    row.touch = touch;
    row.operation = operation;
    row.lba = lba;
    row.length = length;
    return row;
}

constexpr CommandInfo reads(CdbField lba, CdbField length, LengthRule rule = blocks) {
    auto row = range(ZoneTouch::reads, Operation::read, lba, length);
    row.rule = rule;
    if (rule != none) row.direction = rule == verified ? Direction::out : Direction::in;
    return row;
}

constexpr CommandInfo writes(CdbField lba, CdbField length, LengthRule rule = blocks) {
    auto row = range(ZoneTouch::writes, Operation::write, lba, length);
    row.rule = rule;
    row.direction = Direction::out;
    row.changes = true;
    return row;
}

constexpr CommandInfo flushes(CdbField lba, CdbField length) {
    return range(ZoneTouch::flushes, Operation::flush, lba, length);
}

/// Absent: the zone model has no such action.
constexpr CommandInfo acts(std::optional<Operation> operation) {
    CommandInfo row;
    row.touch = ZoneTouch::acts;
    row.operation = operation;
    row.lba = lba_64;
    row.length = half_16;  // ZONE COUNT
    row.changes = true;
    return row;
}

constexpr CommandInfo reports_zones() {
    auto row = reply(len_16, lba_64);
    row.operation = Operation::report;
    return row;
}

/// The buffers tell the length, and with Direction::none the direction.
constexpr CommandInfo by_buffers(Direction direction) {
    auto row = changes_all();
    row.direction = direction;
    row.rule = buffers;
    return row;
}

constexpr CommandInfo with_rule(CommandInfo row, LengthRule rule) {
    row.rule = rule;
    return row;
}

constexpr CommandInfo that_changes(CommandInfo row, ZoneTouch touch) {
    row.touch = touch;
    row.changes = true;
    return row;
}

constexpr CommandInfo edited(CommandInfo row, ReplyEdit edit) {
    row.edit = edit;
    return row;
}

// ---- What the target does with a command.

/// Bits of the CDB that the target evaluates, besides opcode, service action, LBA and length.
struct Bits {
    std::uint8_t byte;
    std::uint8_t mask;
};
using BitList = std::initializer_list<Bits>;

// DPO and FUA; RDPROTECT and WRPROTECT too, which are evaluated and refused.
inline constexpr std::uint8_t rw_flags = 0xF8;
// VRPROTECT, DPO, BYTCHK.
inline constexpr std::uint8_t verify_flags = 0xF6;
inline constexpr std::uint8_t group = 0x3F;  // GROUP NUMBER

// A disk with a long queue may need the recommended time.
inline constexpr Timeouts at_once{1, 10};
inline constexpr Timeouts transfer{1, 60};
inline constexpr Timeouts flush{5, 180};
inline constexpr Timeouts zones{5, 180};     // ALL, and reports of every zone
inline constexpr Timeouts medium{30, 7200};  // VERIFY reads up to 2^32 blocks

constexpr TargetCommand target(Handler handler, Timeouts timeouts, BitList bits = {}) {
    TargetCommand command;
    command.handler = handler;
    command.timeouts = timeouts;
    for (const auto& one : bits) command.usage[one.byte] = one.mask;
    return command;
}

constexpr TargetCommand needs_medium(Handler handler, Timeouts timeouts, BitList bits = {}) {
    auto command = target(handler, timeouts, bits);
    command.needs_medium = true;
    return command;
}

constexpr TargetCommand needs_zones(Handler handler, BitList bits) {
    auto command = needs_medium(handler, zones, bits);
    command.zoned = true;
    return command;
}

constexpr TargetCommand passes_attention(Handler handler, BitList bits) {
    auto command = target(handler, at_once, bits);
    command.passes_attention = true;
    return command;
}

inline constexpr Action any{};
inline constexpr std::optional<TargetCommand> absent{};

constexpr CommandInfo command(std::uint8_t opcode, Action action, std::uint8_t cdb_length,
                              Name name, Name allow_name, Passing passing, std::uint32_t limit_ms,
                              CommandInfo row, std::optional<TargetCommand> target = absent) {
    row.opcode = opcode;
    row.action = action;
    row.cdb_length = cdb_length;
    row.name = name;
    row.allow_name = allow_name;
    row.passing = passing;
    row.limit_ms = limit_ms;
    row.target = target;
    if (!target) return row;
    auto& usage = row.target->usage;
    usage[0] = opcode;
    if (action) usage[1] = static_cast<std::uint8_t>(usage[1] | *action);
    for (const auto& one : {row.lba, row.length})
        for (std::size_t i = 0; i < one.width; ++i) usage[one.at + i] = 0xFF;
    if (row.lba.width == lba_6.width) usage[row.lba.at] = 0x1F;  // 21 bits
    return row;
}

}  // namespace zonebridge::zbc::rows
