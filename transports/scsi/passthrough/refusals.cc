#include "transports/scsi/passthrough/refusals.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <new>
#include <string_view>

#include <fmt/format.h>

#include "transports/scsi/answer.h"
#include "transports/scsi/passthrough/deliver.h"
#include "zbc/commands.h"
#include "zbc/report_decode.h"

namespace zonebridge::scsi {
namespace {

using Name = std::array<char, 80>;

std::string_view name_of(std::span<const std::uint8_t> cdb, Name& room) noexcept {
    return {room.data(), std::min(zbc::describe_cdb(ByteView(cdb), room), room.size())};
}

std::optional<Operation> operation_of(const zbc::Plan& plan) noexcept {
    switch (plan.effect.touch) {
        case zbc::ZoneTouch::reads:
            return Operation::read;
        case zbc::ZoneTouch::writes:
            return Operation::write;
        case zbc::ZoneTouch::acts:
            return plan.effect.operation;
        case zbc::ZoneTouch::none:
        case zbc::ZoneTouch::flushes:
        case zbc::ZoneTouch::everything:
            return std::nullopt;
    }
    return std::nullopt;
}

struct Look {
    std::optional<Zone> zone;
    std::optional<zbc::Attention> attention;
};

/// The zone that holds `offset`, by one command without retries.
Look look_at_zone(Port& port, const DiskFacts& disk, std::uint64_t offset) {
    alignas(512) std::array<std::uint8_t, 512> buffer{};
    const auto& layout = disk.limits.layout;
    const auto block = disk.limits.logical_block_size;
    const auto number = layout.zone_of(offset);
    const iovec data{buffer.data(), buffer.size()};
    const auto call = disk.dialect->report(layout.start_of(number) / block, buffer.size());
    const auto answer = port.run({.cdb = call.cdb(),
                                  .direction = call.direction,
                                  .data = {&data, 1},
                                  .length = buffer.size(),
                                  .timeout_ms = call.timeout_ms});
    if (const auto attention = taken_attention(answer)) return {std::nullopt, attention};
    if (!disk.dialect->judge(answer, Operation::report, 0).ok()) return {};
    const auto reply = std::span(buffer).first(
        buffer.size() - std::min<std::size_t>(answer.residual, buffer.size()));
    const auto raw = disk.dialect->zone_descriptor(reply, 0);
    if (!raw) return {};
    const auto told = zbc::read_zone(*raw, block);
    if (!told || told->start != layout.start_of(number)) return {};
    Zone zone;
    zone.start = layout.start_of(number);
    zone.length = layout.length_of(number);
    zone.capacity = layout.capacity_of(number);
    zone.write_pointer = told->write_pointer;
    zone.type = layout.type_of(number);
    zone.state = told->state;
    return {zone, std::nullopt};
}

}  // namespace

// ---- The log.

void PassthroughLog::refused(std::span<const std::uint8_t> cdb, const zbc::NotSent& refusal,
                             RateLimit::Clock::time_point now) noexcept {
    if (write_ == nullptr || refusal.why != zbc::Refused::not_allowed || cdb.empty()) return;
    const auto opcode = cdb[0];
    const auto action = zbc::action_of(ByteView(cdb));
    const auto bit = 1u << action % 32;
    if ((told_[opcode].fetch_or(bit, std::memory_order_relaxed) & bit) != 0) return;
    const auto left_out = limit_.pass(now);
    if (!left_out) {  // then it is logged when the guest sends it again
        told_[opcode].fetch_and(~bit, std::memory_order_relaxed);
        return;
    }
    Name room;
    std::array<char, 32> number{};
    const auto* const known = zbc::find_command(opcode, action);
    auto allow = known != nullptr ? known->allow_name : std::string_view();
    if (allow.empty()) {
        const auto end = zbc::has_action(opcode)
                             ? fmt::format_to_n(number.data(), number.size(), "0x{:02X}/0x{:02X}",
                                                opcode, action)
                             : fmt::format_to_n(number.data(), number.size(), "0x{:02X}", opcode);
        allow = {number.data(), std::min(end.size, number.size())};
    }
    std::array<char, 256> line;
    const auto end =
        fmt::format_to_n(line.data(), line.size(),
                         "refused {} from the guest; to allow it, serve the disk with --allow {}",
                         name_of(cdb, room), allow);
    say({line.data(), std::min(end.size, line.size())}, *left_out);
}

void PassthroughLog::failed(std::span<const std::uint8_t> cdb, const Answer& answer) noexcept {
    if (write_ == nullptr) return;
    const auto left_out = limit_.pass();
    if (!left_out) return;
    Name room;
    const auto name = name_of(cdb, room);
    const auto denied = answer.os_error == EPERM || answer.os_error == EACCES;
    try {
        const auto line = denied ? fmt::format(
                                       "this system's kernel does not let this program send {}; "
                                       "passing commands through needs root (CAP_SYS_RAWIO) and, "
                                       "for changes, the right to write the device",
                                       name)
                                 : fmt::format("{} failed: {}", name, describe(answer));
        say(line, *left_out);
    } catch (...) {  // no memory for the message
    }
}

void PassthroughLog::say(std::string_view text, std::uint64_t left_out) noexcept {
    std::array<char, 512> line;
    auto end = fmt::format_to_n(line.data(), line.size(), "{}: {}", path_, text);
    auto size = std::min(end.size, line.size());
    if (left_out != 0) {
        end = fmt::format_to_n(line.data() + size, line.size() - size, " ({} more were not logged)",
                               left_out);
        size += std::min(end.size, line.size() - size);
    }
    write_({line.data(), size});
}

// ---- The disk's refusals.

bool is_zone_refusal(const zbc::Plan& plan, const Answer& answer) noexcept {
    const auto operation = operation_of(plan);
    return operation && sense_of(answer) &&
           kind_of(judge(answer, *operation, 0).code) == RefusalKind::zone;
}

std::optional<zbc::Attention> explain(Port& port, const DiskFacts& disk, const zbc::Plan& plan,
                                      const Answer& answer, RefusalSink& sink) noexcept {
    const auto operation = operation_of(plan);
    if (!operation) return std::nullopt;
    const auto& limits = disk.limits;
    const std::uint64_t block = limits.logical_block_size;
    const auto total = limits.size() / block;
    const auto lba = std::min(plan.effect.lba, total);
    const auto blocks = is_zone_action(*operation)
                            ? plan.effect.zones * (limits.layout.zone_size() / block)
                            : plan.effect.blocks;
    Refusal refusal;
    refusal.operation = *operation;
    refusal.status = judge(answer, *operation, 0);
    Look look;
    if (!plan.effect.all) {
        refusal.offset = lba * block;
        refusal.length = std::min(blocks, total - lba) * block;
        if (lba < total && limits.layout.zone_count() != 0) {
            try {
                look = look_at_zone(port, disk, refusal.offset);
            } catch (const std::bad_alloc&) {  // reported without its zone
            }
        }
    }
    refusal.zone = look.zone;
    sink.refused(refusal);
    return look.attention;
}

}  // namespace zonebridge::scsi
