#include "zbc/target_queue.h"

#include <algorithm>
#include <utility>

#include "zbc/sense.h"

namespace zonebridge::zbc {
namespace {

// A report takes a buffer for as long as it runs; few run at once, and the others wait.
constexpr std::size_t max_report_buffers = 4;
constexpr std::size_t zones_a_buffer = 512;

// No front end has longer lists of buffers: a virtqueue holds fewer descriptors.
constexpr std::size_t max_cut_size = 4096;

// What a VERIFY reads at once: enough that the disk is busy rather than this thread.
constexpr std::uint64_t verify_piece = 256 << 10;

std::size_t piece_of(const Limits& limits) noexcept {
    const auto block = limits.physical_block_size;
    const auto most = std::min(limits.max_transfer, verify_piece) / block * block;
    return static_cast<std::size_t>(std::max<std::uint64_t>(most, limits.logical_block_size));
}
constexpr std::size_t pages_for(std::size_t bytes, std::size_t page) noexcept {
    return (bytes + page - 1) / page;
}

}  // namespace

TargetQueue::TargetQueue(TargetFacts& facts, Loop& loop, std::size_t depth,
                         std::unique_ptr<Queue> storage)
    : facts_(facts),
      loop_(loop),
      slots_(depth),
      waiting_(depth),
      done_(depth),
      buffer_waiters_(depth),
      scratch_waiters_(depth),
      cut_size_(std::min<std::size_t>(facts.disk.limits().max_segments, max_cut_size)),
      // Left uninitialised: pages that are never used are never there.
      cut_buffers_(std::make_unique_for_overwrite<iovec[]>(cut_size_ * depth)),
      piece_(piece_of(facts.disk.limits())),
      scratch_(std::make_unique_for_overwrite<Page[]>(
          pages_for(piece_ + facts.unit.block_size, sizeof(Page)))),
      storage_(std::move(storage)) {
    free_.reserve(depth);
    for (auto index = static_cast<Index>(depth); index > 0; --index) free_.push_back(index - 1);
    if (!facts.unit.zoned()) return;
    if (!facts.unit.reads_past_pointer && facts.disk.limits().reads_past_pointer)
        looked_up_.resize(depth);
    const auto buffers = std::min(depth, max_report_buffers);
    report_zones_.resize(buffers * zones_a_buffer);
    for (Index number = 0; number < buffers; ++number) free_buffers_.push_back(number);
}

std::span<Zone> TargetQueue::buffer(Index number) noexcept {
    return std::span(report_zones_).subspan(number * zones_a_buffer, zones_a_buffer);
}

std::span<std::uint8_t> TargetQueue::scratch() noexcept {
    return {reinterpret_cast<std::uint8_t*>(scratch_.get()), piece_ + facts_.unit.block_size};
}

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
            [[unlikely]]
            tell(task, slot.result);
    }
    pump();
    if (!done_.empty()) loop_.note_ready();
    return count;
}

std::size_t TargetQueue::reap(std::span<TaskResult> out) noexcept {
    for (auto count = completions_.size(); count == completions_.size();) {
        count = storage_->reap(completions_);
        at_storage_ -= count;
        for (const auto& completion : std::span(completions_).first(count)) complete(completion);
    }
    pump();
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
    waiting_.push(index);
}

/// Hands over what waits, in order and in batches. What the storage queue does not take stays in
/// front, so that writes to a zone keep their order.
void TargetQueue::pump() noexcept {
    while (!waiting_.empty()) {
        const auto count = std::min(waiting_.size(), batch_.size());
        for (std::size_t i = 0; i < count; ++i) batch_[i] = slots_[waiting_.at(i)].request;
        const auto taken = storage_->submit(std::span(batch_).first(count));
        waiting_.drop(taken);
        at_storage_ += taken;
        if (taken == count) continue;
        // Nobody will wake this thread for what is not at the disk: try again at the next turn.
        if (at_storage_ == 0) loop_.note_ready();
        return;
    }
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
    if (const auto sense = sense_for(completion.status.code, operation)) {
        slot.result.data_out_length = 0;
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
    // The cache may have been switched off while a write was under way.
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
    // To ZBC a zone that has nothing to open or close is no reason to stop in front of it.
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
    done(index);
}

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
        const auto zones = buffer(*slot.report_buffer);
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
    if (buffer_waiters_.empty()) {
        free_buffers_.push_back(number);
        return;
    }
    const auto waiter = buffer_waiters_.pop();
    slots_[waiter].report_buffer = number;
    continue_report(waiter);
}

}  // namespace zonebridge::zbc
