// An action on many zones: it begins once every request accepted before it has ended in each of
// them, and what was accepted after it waits there until it ends.
#include <algorithm>

#include "layers/sequencer/queue.h"
#include "layers/sequencer/verdict.h"

namespace zonebridge::sequencer {

void SequencedQueue::run_sweep() noexcept {
    if (sweeps_ == 0 || sweep_.busy) return;
    if (sweep_.node == nullptr) {
        auto* first = zones_.first_sweep();
        if (first == nullptr || first->owner != this) return;
        sweep_.node = first;
        sweep_.step = Sweep::Step::drain;
        sweep_.zone = first->zone;
        sweep_.stop.reset();
    }
    if (!drained()) return;
    sweep_.zone = sweep_.node->zone;
    sweep_on();
}

/// Looks at zone after zone, and is poked by the first that is not quiet once it is. A zone found
/// quiet stays so: all that may come is held back.
bool SequencedQueue::drained() noexcept {
    const auto& node = *sweep_.node;
    const auto& layout = limits().layout;
    for (; sweep_.zone <= node.last_zone; ++sweep_.zone) {
        if (layout.is_conventional(sweep_.zone)) continue;
        auto& line = zones_.line(sweep_.zone);
        const std::lock_guard guard(line.lock);
        const auto nobody_before =
            !line.held || (line.waiting.first != nullptr &&
                           line.waiting.first->order >= node.order && line.parked);
        if (!nobody_before || line.appends != 0) {
            line.sweep_waits = true;
            return false;
        }
        line.known = Line::Known::nothing;
        line.opened = false;
    }
    return true;
}

/// The next command of a sweep whose zones are quiet.
void SequencedQueue::sweep_on() noexcept {
    const auto& node = *sweep_.node;
    const auto& request = node.request;
    const auto judged =
        request.operation == Operation::open || request.operation == Operation::close;
    if (request.scope == Scope::all || !judged) return send_sweep(node.last_zone + 1);
    if (sweep_.zone > node.last_zone) return end_sweep({});
    report_sweep(node.last_zone + 1 - sweep_.zone, Sweep::Step::judge);
}

void SequencedQueue::send_sweep(std::uint32_t end) noexcept {
    const auto& layout = limits().layout;
    auto request = sweep_.node->request;
    if (request.scope == Scope::zones) {
        request.offset = layout.start_of(sweep_.zone);
        request.length = layout.start_of(end - 1) + layout.length_of(end - 1) - request.offset;
    }
    sweep_.step = Sweep::Step::act;
    sweep_.end = end;
    sweep_.busy = true;
    send(request, sweep_tag);
}

void SequencedQueue::report_sweep(std::size_t zones, Sweep::Step step) noexcept {
    Request request;
    request.operation = Operation::report;
    request.offset = limits().layout.start_of(sweep_.zone);
    request.zones = std::span(sweep_.zones).first(std::min(zones, sweep_.zones.size()));
    sweep_.step = step;
    sweep_.busy = true;
    send(request, sweep_tag);
}

void SequencedQueue::sweep_returned(const Completion& completion) noexcept {
    sweep_.busy = false;
    switch (sweep_.step) {
        case Sweep::Step::drain:
            return;
        case Sweep::Step::judge:
            return sweep_judged(completion);
        case Sweep::Step::act:
            return sweep_acted(completion);
        case Sweep::Step::explain:
            return sweep_explained(completion);
    }
}

/// The zones up to the first that refuses are acted on by one command.
void SequencedQueue::sweep_judged(const Completion& completion) noexcept {
    if (!completion.status.ok()) return end_sweep(completion.status);
    const auto& layout = limits().layout;
    const auto left = sweep_.node->last_zone + 1 - sweep_.zone;
    const auto reported = static_cast<std::uint32_t>(
        std::min<std::uint64_t>({completion.result, left, sweep_.zones.size()}));
    std::uint32_t good = 0;
    sweep_.stop.reset();
    for (; good < reported; ++good) {
        const auto& zone = sweep_.zones[good];
        if (zone.start != layout.start_of(sweep_.zone + good)) break;
        const auto verdict = judge_action(sweep_.node->request.operation, zone.state);
        if (!verdict || *verdict == StatusCode::ok) continue;
        sweep_.stop = *verdict;
        break;
    }
    if (good != 0) return send_sweep(sweep_.zone + good);
    end_sweep({sweep_.stop.value_or(StatusCode::io_error), {}});
}

void SequencedQueue::sweep_acted(const Completion& completion) noexcept {
    if (sweep_.node->request.scope == Scope::all) return end_sweep(completion.status);
    if (completion.status.ok()) {
        sweep_.zone = sweep_.end;
        if (sweep_.stop) return end_sweep({*sweep_.stop, {}});
        if (sweep_.zone > sweep_.node->last_zone) return end_sweep({});
        return sweep_on();
    }
    const auto most = sweep_.end - sweep_.zone - 1;
    sweep_.zone += static_cast<std::uint32_t>(std::min<std::uint64_t>(completion.result, most));
    sweep_.failure = completion.status;
    report_sweep(1, Sweep::Step::explain);
}

void SequencedQueue::sweep_explained(const Completion& completion) noexcept {
    const auto& zone = sweep_.zones[0];
    const auto explained = completion.status.ok() && completion.result == 1 &&
                           zone.start == limits().layout.start_of(sweep_.zone);
    if (!explained) return end_sweep(sweep_.failure);
    const auto status = explain_action(sweep_.node->request.operation, zone.state, sweep_.failure);
    if (!status.ok()) return end_sweep(status);
    // There was nothing to change in that zone.
    if (++sweep_.zone > sweep_.node->last_zone) return end_sweep({});
    sweep_on();
}

void SequencedQueue::end_sweep(Status status) noexcept {
    auto& node = *sweep_.node;
    const auto all = node.request.scope == Scope::all;
    const auto first = node.zone;
    const auto last = node.last_zone;
    const auto acted = all ? 0 : sweep_.zone - first;
    sweep_.node = nullptr;
    --sweeps_;
    zones_.remove_sweep(node);
    node.status = status;
    node.result = acted;
    give_back(node);
    unpark_swept(first, last);
}

/// Lines that were parked for a sweep which is gone go on.
void SequencedQueue::unpark_swept(std::uint32_t first, std::uint32_t last) noexcept {
    const auto& layout = limits().layout;
    for (auto zone = first; zone <= last; ++zone) {
        if (layout.is_conventional(zone)) continue;
        auto& line = zones_.line(zone);
        const std::lock_guard guard(line.lock);
        unpark(line);
    }
}

}  // namespace zonebridge::sequencer
