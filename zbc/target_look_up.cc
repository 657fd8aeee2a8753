// Reads that end at the write pointer, on a disk that would read on: the zone is asked for first,
// through the same queue. What changes it between the two answers is another task of the
// initiator's, to which a task set promises no order.

#include <algorithm>

#include "zbc/sense.h"
#include "zbc/target_queue.h"

namespace zonebridge::zbc {

bool TargetQueue::restricted(std::uint64_t offset) const noexcept {
    if (looked_up_.empty()) return false;
    const auto& layout = facts_.disk.limits().layout;
    return layout.is_required(layout.zone_of(offset));
}

/// Asks for the zone that holds `offset`. Requires a range that the geometry does not refuse, so
/// that it ends in this zone.
void TargetQueue::look_up(Index index, std::uint64_t offset, std::uint64_t length) noexcept {
    auto& slot = slots_[index];
    slot.step = Step::look_up;
    slot.held_end = offset + length;
    slot.request = Request();
    slot.request.operation = Operation::report;
    slot.request.offset = offset;
    slot.request.zones = std::span(looked_up_).subspan(index, 1);
    enqueue(index);
}

void TargetQueue::complete_look_up(Index index, const Completion& completion) noexcept {
    auto code = completion.status.code;
    if (code == StatusCode::ok && completion.result == 0) code = StatusCode::io_error;
    if (const auto sense = sense_for(code, Operation::report)) {
        slots_[index].result.data_out_length = 0;
        refuse(index, *sense);
        return;
    }
    // A zone without a pointer is readable throughout, or the disk says why it is not.
    const auto& zone = looked_up_[index];
    if (zone.write_pointer && slots_[index].held_end > *zone.write_pointer) {
        slots_[index].result.data_out_length = 0;
        tell_past_pointer(slots_[index], zone);
        refuse(index, *sense_for(StatusCode::read_past_pointer, Operation::read));
        return;
    }
    continue_read(index);
}

void TargetQueue::continue_read(Index index) noexcept {
    auto& slot = slots_[index];
    slot.step = Step::operation;
    if (slot.verifies) {
        wait_for_scratch(index);
        return;
    }
    slot.request = slot.held;
    enqueue(index);
}

}  // namespace zonebridge::zbc
