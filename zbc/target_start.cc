// How the target takes a task: every check that needs no look at a zone's state, then the request
// to the disk. Offsets and lengths become bytes here.

#include <algorithm>
#include <array>

#include "zbc/mode.h"
#include "zbc/target_queue.h"
#include "zone/scatter.h"

namespace zonebridge::zbc {

std::optional<Sense> refuse_range(const Unit& unit, std::uint64_t lba,
                                  std::uint64_t blocks) noexcept {
    if (lba >= unit.blocks) return lba_out_of_range(lba);
    if (blocks > unit.blocks - lba) return lba_out_of_range(unit.blocks);
    return std::nullopt;
}

std::optional<Sense> TargetQueue::refuse_change() const noexcept {
    if (facts_.unit.read_only) return write_protected();
    if (facts_.state.software_write_protected()) return software_write_protected();
    return std::nullopt;
}

void TargetQueue::start(Index index, const Task& task) noexcept {
    const ByteView cdb(task.cdb);
    const auto found = find_target_command(cdb, facts_.unit.zoned());
    const auto passes = found && (*found)->target->passes_attention;
    if (!passes && facts_.state.attentions().pending()) {
        if (const auto attention = facts_.state.attentions().take()) {
            refuse(index, unit_attention(*attention));
            return;
        }
    }
    if (!found) {
        refuse(index, found.error());
        return;
    }
    const auto& info = **found;
    if (facts_.state.stopped() && info.target->needs_medium) {
        refuse(index, stopped());
        return;
    }
    switch (info.target->handler) {
        case Handler::test_unit_ready:
        case Handler::request_sense:
        case Handler::inquiry:
        case Handler::mode_sense:
        case Handler::read_capacity_10:
        case Handler::read_capacity_16:
        case Handler::report_supported_opcodes:
        case Handler::report_supported_tmfs:
            start_control(index, task, info);
            return;
        case Handler::start_stop_unit:
            start_stop(index, task);
            return;
        case Handler::mode_select:
            start_mode_select(index, task);
            return;
        case Handler::read:
        case Handler::write:
            start_transfer(index, task, info);
            return;
        case Handler::verify:
            start_verify(index, task, info);
            return;
        case Handler::synchronize_cache:
            start_flush(index, task, info);
            return;
        case Handler::report_zones:
            start_report(index, task);
            return;
        case Handler::zone_action:
            start_action(index, task, info);
            return;
        case Handler::front_end:
            refuse(index, invalid_opcode());
            return;
    }
}

void TargetQueue::start_control(Index index, const Task& task, const CommandInfo& info) noexcept {
    const auto length = answer(facts_.unit, facts_.state, info, ByteView(task.cdb), reply_);
    if (!length) {
        refuse(index, length.error());
        return;
    }
    reply(slots_[index].result, std::span(reply_).first(*length), task.data_in);
    done(index);
}

void TargetQueue::start_mode_select(Index index, const Task& task) noexcept {
    const ByteView cdb(task.cdb);
    auto& result = slots_[index].result;
    const auto length = mode_select_length(cdb);
    if (length > max_mode_parameters) {
        refuse(index, parameter_list_length_error());
        return;
    }
    std::array<std::uint8_t, max_mode_parameters> parameters{};
    const auto list = std::span(parameters).first(length);
    if (gather(task.data_out, list) < length) {
        result.delivery = Delivery::overrun;
        done(index);
        return;
    }
    const auto before = facts_.state.mode_values();
    const auto after = decode_mode_select(facts_.unit, before, cdb, ByteView(list));
    if (!after) {
        refuse(index, after.error());
        return;
    }
    result.data_out_length = length;
    facts_.state.set_mode_values(*after);
    // What was written before is to be durable as well, and protected once it is.
    const auto settles = (before.write_cache && !after->write_cache) ||
                         (!before.software_write_protect && after->software_write_protect);
    if (settles && !facts_.unit.read_only)
        flush(index);
    else
        done(index);
}

/// START STOP UNIT (SBC-4 5.31).
void TargetQueue::start_stop(Index index, const Task& task) noexcept {
    const ByteView cdb(task.cdb);
    constexpr std::uint8_t active = 1;
    const auto modifier = cdb.u8(3) & 0x0F;
    const auto condition = cdb.u8(4) >> 4;
    const auto no_flush = cdb.bit(4, 2);
    const auto eject = cdb.bit(4, 1);
    const auto start = cdb.bit(4, 0) || condition == active;
    if (modifier != 0) {
        refuse(index, invalid_field_in_cdb(3, std::uint8_t{3}));
        return;
    }
    // There is no idle or standby: the disk behind this unit is awake.
    if (condition > active) {
        refuse(index, invalid_field_in_cdb(4, std::uint8_t{7}));
        return;
    }
    if (eject && condition == 0) {
        refuse(index, invalid_field_in_cdb(4, std::uint8_t{1}));
        return;
    }
    if (start || no_flush || facts_.unit.read_only || facts_.state.stopped()) {
        facts_.state.set_stopped(!start);
        done(index);
        return;
    }
    slots_[index].step = Step::stop;
    flush(index);
}

void TargetQueue::start_transfer(Index index, const Task& task, const CommandInfo& info) noexcept {
    const auto& unit = facts_.unit;
    const auto& limits = facts_.disk.limits();
    const auto range = decode_block_range(info, ByteView(task.cdb));
    const auto writes = info.touch == ZoneTouch::writes;
    auto& slot = slots_[index];

    if (range.protect != 0) {  // there is no protection information on this disk
        refuse(index, invalid_field_in_cdb(1, std::uint8_t{7}));
        return;
    }
    if (writes) {
        if (const auto sense = refuse_change()) {
            refuse(index, *sense);
            return;
        }
    }
    if (const auto sense = refuse_range(unit, range.lba, range.blocks)) {
        refuse(index, *sense);
        return;
    }
    if (range.blocks == 0) {
        done(index);
        return;
    }
    const auto offset = range.lba * unit.block_size;
    const auto length = std::uint64_t{range.blocks} * unit.block_size;
    if (length > limits.max_transfer) {
        refuse(index, invalid_field_in_cdb(info.length.at));
        return;
    }
    if (const auto sense = writes ? facts_.geometry.refuse_write(offset, length)
                                  : facts_.geometry.refuse_read(offset, length)) {
        refuse(index, *sense);
        return;
    }
    const auto all = writes ? task.data_out : task.data_in;
    const auto data = front(all, length, cut_room(index));
    if (!data && total_length(all) < length) {
        slot.result.delivery = Delivery::overrun;
        done(index);
        return;
    }
    // More pieces than the disk takes at once: splitting is not an option for a zoned write.
    if (!data || data->size() > limits.max_segments) {
        refuse(index, invalid_field_in_cdb(info.length.at));
        return;
    }
    const auto fua = writes && (range.fua || !facts_.state.write_cache());
    slot.request.operation = writes ? Operation::write : Operation::read;
    slot.request.offset = offset;
    slot.request.length = length;
    slot.request.data = *data;
    slot.request.fua = fua && unit.fua;
    slot.flush_after = fua && !unit.fua;
    if (!writes && restricted(offset)) {
        slot.held = slot.request;
        slot.verifies = false;
        look_up(index, offset, length);
        return;
    }
    enqueue(index);
}

void TargetQueue::start_flush(Index index, const Task& task, const CommandInfo& info) noexcept {
    const auto range = decode_block_range(info, ByteView(task.cdb));
    if (const auto sense = refuse_range(facts_.unit, range.lba, range.blocks)) {
        refuse(index, *sense);
        return;
    }
    if (facts_.unit.read_only) {  // nothing of this initiator's can be in the cache
        done(index);
        return;
    }
    flush(index);
}

void TargetQueue::start_action(Index index, const Task& task, const CommandInfo& info) noexcept {
    const auto& unit = facts_.unit;
    const auto& layout = facts_.disk.limits().layout;
    const auto fields = decode_zone_action(ByteView(task.cdb));
    auto& request = slots_[index].request;
    request.operation = *info.operation;
    if (const auto sense = refuse_change()) {
        refuse(index, *sense);
        return;
    }
    if (fields.all) {
        request.scope = Scope::all;
        enqueue(index);
        return;
    }
    if (const auto sense = refuse_range(unit, fields.zone_lba, 1)) {
        refuse(index, *sense);
        return;
    }
    const auto offset = fields.zone_lba * unit.block_size;
    const auto first = layout.zone_of(offset);
    if (offset != layout.start_of(first) || layout.is_conventional(first)) {
        refuse(index, invalid_field_in_cdb(2));
        return;
    }
    // Gap zones between the zones are passed over and not counted.
    auto fits = fields.zones <= layout.zone_count() - first;
    for (auto zone = first; fits && zone < first + fields.zones; ++zone)
        fits = !layout.is_conventional(zone);
    if (!fits) {
        refuse(index, invalid_field_in_cdb(12));
        return;
    }
    const auto last = first + fields.zones - 1;
    request.offset = offset;
    request.length = layout.start_of(last) + layout.length_of(last) - offset;
    enqueue(index);
}

void TargetQueue::start_report(Index index, const Task& task) noexcept {
    const auto fields = decode_report_zones(ByteView(task.cdb));
    auto& slot = slots_[index];
    const auto option = parse_reporting_option(fields.options);
    if (!option) {
        refuse(index, invalid_field_in_cdb(14, std::uint8_t{5}));
        return;
    }
    if (const auto sense = refuse_range(facts_.unit, fields.start_lba, 1)) {
        refuse(index, *sense);
        return;
    }
    slot.report.begin(facts_.unit, facts_.geometry, fields, *option, task.data_in);
    if (!slot.report.next()) {
        slot.report.finish(slot.result);
        done(index);
    } else if (free_buffers_.empty()) {
        buffer_waiters_.push(index);
    } else {
        slot.report_buffer = free_buffers_.back();
        free_buffers_.pop_back();
        continue_report(index);
    }
}

}  // namespace zonebridge::zbc
