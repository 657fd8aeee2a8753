// Actions on all zones while rules have made zones bad, which the disk below does not know. All
// zones are reported first; then each zone that the action applies to is acted on. One such action
// of a queue runs at a time.
#include <algorithm>

#include "layers/fault/queue.h"

namespace zonebridge::fault {

void FaultyQueue::begin_walk() noexcept {
    if (walk_.slot != nullptr) return;
    walk_.slot = walkers_.pop();
    if (walk_.slot == nullptr) return;
    walk_.slot->walks = true;
    walk_.looking = true;
    walk_.zone = 0;
    walk_.would_open = 0;
    look_on();
}

void FaultyQueue::look_on() noexcept {
    Request report;
    report.tag = reinterpret_cast<std::uintptr_t>(walk_.slot);
    report.operation = Operation::report;
    report.offset = limits().layout.start_of(walk_.zone);
    report.zones = walk_.zones;
    make(report);
}

void FaultyQueue::looked(std::uint64_t count) noexcept {
    const auto operation = walk_.slot->request.operation;
    const auto& layout = limits().layout;
    for (const auto& zone : std::span(walk_.zones).first(count)) {
        if (walk_.zone == layout.zone_count()) break;
        const auto bad = rules_.state_of(walk_.zone).has_value();
        const auto wanted = !bad && all_acts_on(operation, zone.state);
        walk_.wanted[walk_.zone++] = wanted;
        if (wanted || (!bad && zone.state == ZoneState::explicit_open)) ++walk_.would_open;
    }
    if (count != 0 && walk_.zone < layout.zone_count()) return look_on();
    const auto limited =
        limits().max_open && layout.sequential_type() == ZoneType::sequential_write_required;
    if (operation == Operation::open && limited && walk_.would_open > *limits().max_open)
        return end_walk({StatusCode::too_many_open, {}});
    walk_.looking = false;
    walk_.zone = 0;
    act_on();
}

void FaultyQueue::act_on() noexcept {
    const auto& layout = limits().layout;
    while (walk_.zone < layout.zone_count() && !walk_.wanted[walk_.zone]) ++walk_.zone;
    if (walk_.zone == layout.zone_count()) return end_walk({});
    Request action;
    action.tag = reinterpret_cast<std::uintptr_t>(walk_.slot);
    action.operation = walk_.slot->request.operation;
    action.offset = layout.start_of(walk_.zone);
    action.length = layout.length_of(walk_.zone);
    make(action);
    ++walk_.zone;
}

void FaultyQueue::walked(const Completion& completion) noexcept {
    const auto& status = completion.status;
    if (walk_.looking) {
        if (!status.ok()) return end_walk(status);
        return looked(completion.result);
    }
    // On invalid_transition the zone has changed since it was reported, and the action no longer
    // applies.
    if (!status.ok() && status.code != StatusCode::invalid_transition) return end_walk(status);
    act_on();
}

void FaultyQueue::end_walk(Status status) noexcept {
    auto& slot = *walk_.slot;
    walk_.slot = nullptr;
    finish(slot, status, 0);
    begin_walk();
}

}  // namespace zonebridge::fault
