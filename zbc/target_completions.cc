// How the target's queue goes on when the disk has answered.

#include <algorithm>
#include <utility>

#include "zbc/target_queue.h"

namespace zonebridge::zbc {
namespace {

/// A transfer that was carried out in pieces: the blocks before the LBA in INFORMATION were
/// transferred, and an initiator may use them (SBC-4, error reporting).
void tell_where(Sense& sense, TaskResult& result, const Request& request,
                const Completion& completion, std::uint32_t block_size) noexcept {
    if (!moves_data(request.operation) || completion.result == 0) return;
    if (sense.key != SenseKey::medium_error && sense.key != SenseKey::hardware_error) return;
    sense.information = (request.offset + completion.result) / block_size;
    (request.operation == Operation::read ? result.data_in_length : result.data_out_length) =
        completion.result;
}

}  // namespace

std::size_t TargetQueue::reap(std::span<TaskResult> out) noexcept {
    for (auto count = completions_.size(); count == completions_.size();) {
        count = storage_->reap(completions_);
        for (const auto& completion : std::span(completions_).first(count)) complete(completion);
    }
    submit_batch();
    const auto count = std::min(out.size(), done_.size());
    for (auto& result : out.first(count)) {
        const auto index = done_.pop();
        result = slots_[index].result;
        free_.push_back(index);
    }
    if (!done_.empty()) loop_.note_ready();
    return count;
}

void TargetQueue::enqueue(Index index) noexcept {
    slots_[index].request.tag = index;
    batch_.push_back(slots_[index].request);
}

/// The storage queue takes all of them: it is as deep as this queue, and a slot has one request there at
/// most.
void TargetQueue::submit_batch() noexcept {
    if (batch_.empty()) return;
    [[maybe_unused]] const auto taken = storage_->submit(batch_);
    batch_.clear();
}

void TargetQueue::refuse(Index index, const Sense& sense) noexcept {
    auto& slot = slots_[index];
    const auto format =
        facts_.state.descriptor_sense() ? SenseFormat::descriptor : SenseFormat::fixed;
    fail(slot.result, sense, format);
    done(index);
}

void TargetQueue::flush(Index index) noexcept {
    auto& slot = slots_[index];
    slot.flush_after = false;
    slot.request = Request();
    slot.request.operation = Operation::flush;
    enqueue(index);
}

void TargetQueue::complete(const Completion& completion) noexcept {
    if (completion.tag >= slots_.size()) return;
    const auto index = static_cast<Index>(completion.tag);
    auto& slot = slots_[index];
    const auto operation = slot.request.operation;
    switch (slot.step) {
        case Step::operation:
            break;
        case Step::look_up:
            complete_look_up(index, completion);
            return;
        case Step::verify:
            complete_verify(index, completion);
            return;
        case Step::stop:
            complete_stop(index, completion);
            return;
    }
    if (operation == Operation::report) {
        complete_report(index, completion);
        return;
    }
    if (is_zone_action(operation)) {
        complete_action(index, completion);
        return;
    }
    if (auto sense = sense_for(completion.status.code, operation)) {
        slot.result.data_out_length = 0;
        tell_where(*sense, slot.result, slot.request, completion, facts_.unit.block_size);
        refuse(index, *sense);
        return;
    }
    complete_transfer(index);
}

void TargetQueue::complete_transfer(Index index) noexcept {
    auto& slot = slots_[index];
    if (slot.request.operation == Operation::read) slot.result.data_in_length = slot.request.length;
    if (slot.request.operation == Operation::write)
        slot.result.data_out_length = slot.request.length;
    // The cache may have been switched off while the write was in flight.
    const auto cached = slot.request.operation == Operation::write && !slot.request.fua;
    if (slot.flush_after || (cached && !facts_.state.write_cache()))
        flush(index);
    else
        done(index);
}

void TargetQueue::complete_stop(Index index, const Completion& completion) noexcept {
    if (const auto sense = sense_for(completion.status.code, Operation::flush)) {
        refuse(index, *sense);
        return;
    }
    facts_.state.set_stopped(true);
    done(index);
}

void TargetQueue::complete_action(Index index, const Completion& completion) noexcept {
    auto& slot = slots_[index];
    auto& request = slot.request;
    if (const auto sense = sense_for(completion.status.code, request.operation)) {
        refuse(index, *sense);
        return;
    }
    // ZBC goes on after a zone whose state needs no OPEN or CLOSE.
    if (completion.status.code == StatusCode::invalid_transition && request.scope == Scope::zones) {
        const auto& layout = facts_.disk.limits().layout;
        const auto end = request.offset + request.length;
        const auto zone = layout.zone_of(request.offset) + completion.result;
        const auto next = (zone + 1) * layout.zone_size();
        if (next < end) {
            request.offset = next;
            request.length = end - next;
            enqueue(index);
            return;
        }
    }
    // Without the cache a zone's state is durable at the command's end, like data.
    if (facts_.state.write_cache())
        done(index);
    else
        flush(index);
}

// ---- Reports of zones.

void TargetQueue::complete_report(Index index, const Completion& completion) noexcept {
    auto& slot = slots_[index];
    if (const auto sense = sense_for(completion.status.code, Operation::report)) {
        give_back_buffer(index);
        refuse(index, *sense);
        return;
    }
    const auto count = std::min<std::uint64_t>(completion.result, slot.request.zones.size());
    slot.report.feed(slot.request.zones.first(static_cast<std::size_t>(count)));
    continue_report(index);
}

/// Asks for the next zones, or ends the report. Requires that the slot has a buffer.
void TargetQueue::continue_report(Index index) noexcept {
    auto& slot = slots_[index];
    if (const auto next = slot.report.next()) {
        const auto zones = report_buffers_.zones(*slot.report_buffer);
        slot.request = Request();
        slot.request.operation = Operation::report;
        slot.request.offset = next->offset;
        slot.request.zones = zones.first(std::min(zones.size(), next->zones));
        enqueue(index);
        return;
    }
    slot.report.finish(slot.result);
    give_back_buffer(index);
    done(index);
}

void TargetQueue::give_back_buffer(Index index) noexcept {
    const auto number = *std::exchange(slots_[index].report_buffer, std::nullopt);
    const auto next = report_buffers_.give_back(number);
    if (!next) return;
    slots_[*next].report_buffer = number;
    continue_report(*next);
}

// ---- Verifications: the medium is read into the scratch and compared there.

/// Begins as soon as no other verification has the scratch.
void TargetQueue::wait_for_scratch(Index index) noexcept {
    if (scratch_.take(index)) begin_verify(index);
}

void TargetQueue::begin_verify(Index index) noexcept {
    auto& slot = slots_[index];
    switch (slot.verify.check()) {
        case ByteCheck::medium:
            break;
        case ByteCheck::all:
            slot.verify.compare_with(slot.data_out);
            break;
        case ByteCheck::one_block: {
            const auto block = scratch_.block();
            copy_from(slot.data_out, 0, block);
            slot.verify.compare_with(std::span<const std::uint8_t>(block));
            break;
        }
    }
    continue_verify(index);
}

/// Asks for the next piece, or ends the command. Requires that the slot has the scratch.
void TargetQueue::continue_verify(Index index) noexcept {
    auto& slot = slots_[index];
    const auto next = slot.verify.next(scratch_.piece().size());
    if (!next) {
        done(index);
        return give_back_scratch();
    }
    slot.step = Step::verify;
    slot.request = Request();
    slot.request.operation = Operation::read;
    slot.request.offset = next->offset;
    slot.request.length = next->length;
    slot.request.data = scratch_.list(next->length);
    enqueue(index);
}

void TargetQueue::complete_verify(Index index, const Completion& completion) noexcept {
    auto& slot = slots_[index];
    auto sense = sense_for(completion.status.code, Operation::read);
    if (!sense) {
        if (const auto place = slot.verify.feed(scratch_.piece().first(slot.request.length)))
            sense = miscompare(*place);
    }
    if (!sense) {
        continue_verify(index);
        return;
    }
    slot.result.data_out_length = 0;
    refuse(index, *sense);
    give_back_scratch();
}

void TargetQueue::give_back_scratch() noexcept {
    if (const auto next = scratch_.give_back()) begin_verify(*next);
}

// ---- Reads that may not pass the write pointer, on a disk that would read on: the zone is reported
// first.

bool TargetQueue::needs_look_up(std::uint64_t offset) const noexcept {
    if (looked_up_.empty()) return false;
    const auto& layout = facts_.disk.limits().layout;
    return layout.is_required(layout.zone_of(offset));
}

/// Asks for the zone that holds the range; a range that Geometry does not refuse ends in this zone.
/// Another task may change the zone before the read: a task set promises no order.
void TargetQueue::look_up(Index index, const ByteRange& range) noexcept {
    auto& slot = slots_[index];
    slot.step = Step::look_up;
    slot.look_up_end = range.offset + range.length;
    slot.request = Request();
    slot.request.operation = Operation::report;
    slot.request.offset = range.offset;
    slot.request.zones = std::span(looked_up_).subspan(index, 1);
    enqueue(index);
}

void TargetQueue::complete_look_up(Index index, const Completion& completion) noexcept {
    auto& slot = slots_[index];
    auto code = completion.status.code;
    if (code == StatusCode::ok && completion.result == 0) code = StatusCode::io_error;
    if (const auto sense = sense_for(code, Operation::report)) {
        slot.result.data_out_length = 0;
        return refuse(index, *sense);
    }
    // A zone without a pointer is readable as a whole, or the disk refuses the read itself.
    const auto& zone = looked_up_[index];
    if (zone.write_pointer && slot.look_up_end > *zone.write_pointer) {
        slot.result.data_out_length = 0;
        if (facts_.refusals != nullptr) {
            Refusal refusal;
            refusal.offset = slot.request.offset;
            refusal.length = slot.look_up_end - slot.request.offset;
            refusal.status.code = StatusCode::read_past_pointer;
            refusal.zone = zone;
            facts_.refusals->refused(refusal);
        }
        return refuse(index, *sense_for(StatusCode::read_past_pointer, Operation::read));
    }
    slot.step = Step::operation;
    if (!slot.after_look_up) return wait_for_scratch(index);
    slot.request = *slot.after_look_up;
    enqueue(index);
}

}  // namespace zonebridge::zbc
