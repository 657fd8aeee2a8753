// Telling people what the target refuses by itself, before the disk hears of it. What the disk
// refuses is told by whoever stands over its queue.

#include <algorithm>
#include <limits>

#include "zbc/sense.h"
#include "zbc/target_queue.h"
#include "zone/check.h"

namespace zonebridge::zbc {
namespace {

constexpr std::uint32_t invalid_field = 0x052400;  // INVALID FIELD IN CDB

/// What the command asked for, in the model's words; nothing for commands that ask nothing of the
/// disk's blocks.
std::optional<Refusal> asked_for(const CommandInfo& info, ByteView cdb, const Unit& unit,
                                 const Layout& layout) noexcept {
    const auto bytes = [&](std::uint64_t blocks) {
        return std::min(blocks, std::numeric_limits<std::uint64_t>::max() / unit.block_size) *
               unit.block_size;
    };
    if (!info.operation) return std::nullopt;
    Refusal asked;
    asked.operation = *info.operation;
    switch (info.touch) {
        case ZoneTouch::reads:
        case ZoneTouch::writes: {
            const auto range = decode_block_range(info, cdb);
            asked.offset = bytes(range.lba);
            asked.length = bytes(range.blocks);
            return asked;
        }
        case ZoneTouch::acts: {
            const auto fields = decode_zone_action(cdb);
            asked.scope = fields.all ? Scope::all : Scope::zones;
            if (fields.all) return asked;
            asked.offset = bytes(fields.zone_lba);
            asked.length = fields.zones * layout.zone_size();
            // The last zone may be a shorter one.
            if (asked.offset < layout.size() && asked.length > layout.size() - asked.offset &&
                fields.zones <= layout.zone_count() - layout.zone_of(asked.offset))
                asked.length = layout.size() - asked.offset;
            return asked;
        }
        case ZoneTouch::none:  // with an operation of the model: REPORT ZONES
            asked.offset = bytes(read_field(cdb, info.lba));
            return asked;
        case ZoneTouch::flushes:
        case ZoneTouch::everything:
            break;
    }
    return std::nullopt;
}

/// The rule that was broken: the model's own word where it would refuse as well, else what the sense
/// data say.
StatusCode rule_of(const Limits& limits, const Refusal& asked, const Sense& sense,
                   std::size_t pieces) noexcept {
    const iovec whole{nullptr, asked.length};
    Request request;
    request.operation = asked.operation;
    request.scope = asked.scope;
    request.offset = asked.offset;
    request.length = asked.length;
    if (asked.operation == Operation::read || asked.operation == Operation::write)
        request.data = {&whole, 1};
    if (const auto code = check(limits, request); code != StatusCode::ok) return code;
    if (sense.code() != invalid_field) return status_of(sense, asked.operation);
    return pieces > limits.max_segments ? StatusCode::too_large : StatusCode::unsupported;
}

}  // namespace

void TargetQueue::tell(const Task& task, const TaskResult& result) noexcept {
    const auto sense = decode_sense(std::span(result.sense).first(result.sense_length));
    if (!sense || sense->key == SenseKey::unit_attention || sense->key == SenseKey::not_ready)
        return;
    const ByteView cdb(task.cdb);
    const auto info = find_target_command(cdb, facts_.unit.zoned());
    if (!info) return;
    const auto& limits = facts_.disk.limits();
    auto asked = asked_for(**info, cdb, facts_.unit, limits.layout);
    if (!asked) return;
    const auto pieces = std::max(task.data_in.size(), task.data_out.size());
    asked->status.code = rule_of(limits, *asked, *sense, pieces);
    // Protected by an initiator, which knows.
    if (asked->status.code == StatusCode::read_only && !facts_.unit.read_only) return;
    facts_.refusals->refused(*asked);
}

void TargetQueue::tell_past_pointer(const Slot& slot, const Zone& zone) noexcept {
    if (facts_.refusals == nullptr) return;
    Refusal refusal;
    refusal.offset = slot.request.offset;
    refusal.length = slot.held_end - slot.request.offset;
    refusal.status.code = StatusCode::read_past_pointer;
    refusal.zone = zone;
    facts_.refusals->refused(refusal);
}

}  // namespace zonebridge::zbc
