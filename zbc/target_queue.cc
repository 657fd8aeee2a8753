#include "zbc/target_queue.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/iovec.h"
#include "zbc/mode.h"

namespace zonebridge::zbc {
namespace {

// No front end has longer lists of buffers: a virtqueue holds fewer descriptors.
constexpr std::size_t max_cut_size = 4096;

}  // namespace

TargetQueue::TargetQueue(TargetFacts& facts, Loop& loop, std::size_t depth,
                         std::unique_ptr<Queue> storage)
    : facts_(facts),
      loop_(loop),
      slots_(depth),
      done_(depth),
      cut_size_(std::min<std::size_t>(facts.disk.limits().max_segments, max_cut_size)),
      // Left uninitialised: pages that are never used are never there.
      cut_buffers_(std::make_unique_for_overwrite<iovec[]>(cut_size_ * depth)),
      report_buffers_(facts.unit.zoned() ? depth : 0),
      scratch_(facts.disk.limits(), depth),
      storage_(std::move(storage)) {
    batch_.reserve(depth);
    free_.reserve(depth);
    for (auto index = static_cast<Index>(depth); index > 0; --index) free_.push_back(index - 1);
    if (facts.unit.zoned() && !facts.unit.reads_past_pointer &&
        facts.disk.limits().reads_past_pointer)
        looked_up_.resize(depth);
}

// ---- Taking tasks.

std::size_t TargetQueue::submit(std::span<const Task> tasks) noexcept {
    const auto count = std::min(tasks.size(), free_.size());
    for (const auto& task : tasks.first(count)) {
        const auto index = free_.back();
        free_.pop_back();
        auto& slot = slots_[index];
        slot.step = Step::operation;
        slot.request = Request();
        slot.flush_after = false;
        slot.result = TaskResult();
        slot.result.tag = task.tag;
        start(index, task);
        if (slot.result.status == ScsiStatus::check_condition && facts_.refusals != nullptr)
            [[unlikely]] {
            if (const auto refusal = refusal_of(facts_, task, slot.result))
                facts_.refusals->refused(*refusal);
        }
    }
    submit_batch();
    if (!done_.empty()) loop_.note_ready();
    return count;
}

void TargetQueue::start(Index index, const Task& task) noexcept {
    const ByteView cdb(task.cdb);
    const auto found = find_target_command(cdb, facts_.unit.zoned());
    const auto passes = found && (*found)->target->passes_attention;
    if (!passes && facts_.state.attentions().pending()) {
        const auto reports = found && (*found)->target->handler == Handler::report_zones;
        if (!reports || !facts_.state.continued()) {
            facts_.state.set_continued(false);
            if (const auto attention = facts_.state.attentions().take())
                return refuse(index, unit_attention(*attention));
        }
    }
    if (!found) return refuse(index, found.error());
    const auto& info = **found;
    if (facts_.state.stopped() && info.target->needs_medium) return refuse(index, stopped());
    switch (info.target->handler) {
        case Handler::test_unit_ready:
            return done(index);
        case Handler::request_sense:
            return answer(index, task, answer_request_sense(facts_.state, cdb, reply_));
        case Handler::inquiry:
            return answer(index, task, answer_inquiry(facts_.unit, cdb, reply_));
        case Handler::mode_sense:
            return answer(index, task,
                          answer_mode_sense(facts_.unit, facts_.state, info, cdb, reply_));
        case Handler::read_capacity_10:
            return answer(index, task, encode_read_capacity_10(facts_.unit, reply_));
        case Handler::read_capacity_16:
            return answer(index, task, answer_read_capacity_16(facts_.unit, info, cdb, reply_));
        case Handler::report_supported_opcodes:
            return answer(index, task, answer_supported_opcodes(facts_.unit, info, cdb, reply_));
        case Handler::report_supported_tmfs:
            return answer(index, task, answer_supported_tmfs(info, cdb, reply_));
        case Handler::mode_select:
            return start_mode_select(index, task);
        case Handler::start_stop_unit:
            return start_stop(index, task);
        case Handler::read:
        case Handler::write:
            return start_transfer(index, task, info);
        case Handler::verify:
            return start_verify(index, task, info);
        case Handler::synchronize_cache:
            return start_flush(index, task, info);
        case Handler::report_zones:
            return start_report(index, task);
        case Handler::zone_action:
            return start_action(index, task, info);
        case Handler::front_end:
            return refuse(index, invalid_opcode());
    }
}

/// Ends a task with a reply that is in reply_.
void TargetQueue::answer(Index index, const Task& task,
                         const tl::expected<std::size_t, Sense>& length) noexcept {
    if (!length) return refuse(index, length.error());
    reply(slots_[index].result, std::span(reply_).first(*length), task.data_in);
    done(index);
}

std::optional<Sense> TargetQueue::refuse_change() const noexcept {
    if (facts_.unit.read_only) return write_protected();
    if (facts_.state.software_write_protected()) return software_write_protected();
    return std::nullopt;
}

void TargetQueue::start_mode_select(Index index, const Task& task) noexcept {
    const ByteView cdb(task.cdb);
    auto& result = slots_[index].result;
    const auto length = mode_select_length(cdb);
    if (length > max_mode_parameters) return refuse(index, parameter_list_length_error());
    std::array<std::uint8_t, max_mode_parameters> parameters{};
    const auto list = std::span(parameters).first(length);
    if (copy_from(task.data_out, 0, list) < length) {
        result.delivery = Delivery::overrun;
        done(index);
        return;
    }
    const auto before = facts_.state.mode_values();
    const auto after = decode_mode_select(facts_.unit, before, cdb, ByteView(list));
    if (!after) return refuse(index, after.error());
    result.data_out_length = length;
    facts_.state.set_mode_values(*after);
    // Earlier writes have to be durable, too.
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
    if (modifier != 0) return refuse(index, invalid_field_in_cdb(3, std::uint8_t{3}));
    // The unit has no idle and standby conditions.
    if (condition > active) return refuse(index, invalid_field_in_cdb(4, std::uint8_t{7}));
    if (eject && condition == 0) return refuse(index, invalid_field_in_cdb(4, std::uint8_t{1}));
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

    // There is no protection information on this disk.
    if (range.protect != 0) return refuse(index, invalid_field_in_cdb(1, std::uint8_t{7}));
    if (writes)
        if (const auto sense = refuse_change()) return refuse(index, *sense);
    const auto bytes = checked_range(facts_, info, range, true);
    if (!bytes) return refuse(index, bytes.error());
    if (bytes->length == 0) return done(index);
    const auto all = writes ? task.data_out : task.data_in;
    const auto data = front(all, bytes->length, cut_room(index));
    if (!data && total_length(all) < bytes->length) {
        slot.result.delivery = Delivery::overrun;
        return done(index);
    }
    // More buffers than the disk takes, or than this queue can cut.
    if (!data || (data->size() > limits.max_segments && !limits.any_length))
        return refuse(index, invalid_field_in_cdb(info.length.at));
    const auto fua = writes && (range.fua || !facts_.state.write_cache());
    slot.request.operation = writes ? Operation::write : Operation::read;
    slot.request.offset = bytes->offset;
    slot.request.length = bytes->length;
    slot.request.data = *data;
    slot.request.fua = fua && unit.fua;
    slot.flush_after = fua && !unit.fua;
    if (writes || !needs_look_up(bytes->offset)) return enqueue(index);
    slot.after_look_up = slot.request;
    look_up(index, *bytes);
}

void TargetQueue::start_verify(Index index, const Task& task, const CommandInfo& info) noexcept {
    const auto range = decode_block_range(info, ByteView(task.cdb));
    auto& slot = slots_[index];

    // There is no protection information on this disk.
    if (range.protect != 0) return refuse(index, invalid_field_in_cdb(1, std::uint8_t{7}));
    const auto check = parse_byte_check(range.byte_check);
    if (!check) return refuse(index, invalid_field_in_cdb(1, std::uint8_t{2}));
    // The disk may limit what is transferred; a verification without data has no limit.
    const auto bytes = checked_range(facts_, info, range, *check == ByteCheck::all);
    if (!bytes) return refuse(index, bytes.error());
    if (bytes->length == 0) return done(index);
    std::uint64_t data = 0;
    if (*check != ByteCheck::medium)
        data = *check == ByteCheck::all ? bytes->length : facts_.unit.block_size;
    if (total_length(task.data_out) < data) {
        slot.result.delivery = Delivery::overrun;
        return done(index);
    }
    slot.result.data_out_length = data;
    slot.data_out = task.data_out;
    slot.verify.begin(facts_.disk.limits().layout, bytes->offset, bytes->length, *check);
    if (!needs_look_up(bytes->offset)) return wait_for_scratch(index);
    slot.after_look_up.reset();
    look_up(index, *bytes);
}

void TargetQueue::start_flush(Index index, const Task& task, const CommandInfo& info) noexcept {
    const auto range = decode_block_range(info, ByteView(task.cdb));
    if (const auto sense = refuse_range(facts_.unit, range.lba, range.blocks))
        return refuse(index, *sense);
    // Nothing is in the cache of a disk that is served read-only.
    if (facts_.unit.read_only) return done(index);
    flush(index);
}

void TargetQueue::start_action(Index index, const Task& task, const CommandInfo& info) noexcept {
    if (const auto sense = refuse_change()) return refuse(index, *sense);
    const auto request = zone_action_request(facts_, info, ByteView(task.cdb));
    if (!request) return refuse(index, request.error());
    slots_[index].request = *request;
    enqueue(index);
}

void TargetQueue::start_report(Index index, const Task& task) noexcept {
    const auto fields = decode_report_zones(ByteView(task.cdb));
    auto& slot = slots_[index];
    const auto option = parse_reporting_option(fields.options);
    if (!option) return refuse(index, invalid_field_in_cdb(14, std::uint8_t{5}));
    if (const auto sense = refuse_range(facts_.unit, fields.start_lba, 1))
        return refuse(index, *sense);
    slot.report.begin(facts_.unit, facts_.geometry, fields, *option, task.data_in);
    if (!slot.report.next()) {
        slot.report.finish(slot.result);
        return done(index);
    }
    if ((slot.report_buffer = report_buffers_.take(index))) continue_report(index);
}

}  // namespace zonebridge::zbc
