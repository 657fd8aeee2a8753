// One zone's order: who goes next, and what is known of the zone's pointer.
#include <utility>

#include "layers/sequencer/queue.h"

namespace zonebridge::sequencer {

/// Issues what is next. `line` is held by this queue, and nothing of it is in the device but native
/// appends.
void SequencedQueue::run(Line& line) noexcept {
    const std::lock_guard guard(line.lock);
    const auto zone = zones_.index(line);
    if (line.make_room) {
        if (line.appends != 0) return park(line);
        if (idle_carriers_.empty()) return stalled_.push(line);
        line.make_room = false;
        auto& carrier = *idle_carriers_.pop();
        ++busy_carriers_;
        return begin_room(line, carrier);
    }
    while (auto* node = line.waiting.first) {
        if (closing_) return hand_on(line);
        if (zones_.blocks(zone, node->order)) return park(line);
        const auto operation = node->request.operation;
        if (native_append_ && operation == Operation::append) {
            if (passed_appends_ >= depth()) return stalled_.push(line);
            line.waiting.pop();
            node->waiting = false;
            pass_append(line, *node);
            continue;
        }
        if (line.appends != 0) return park(line);
        if (idle_carriers_.empty()) return stalled_.push(line);

        const auto writes = !is_zone_action(operation);
        if (writes && line.known != Line::Known::nothing) {
            const auto code = judge(line, *node);
            if (code != StatusCode::ok && line.confirmed) {
                line.waiting.pop();
                node->waiting = false;
                finish(*node, {code, {}}, 0);
                continue;
            }
        }
        auto& carrier = *idle_carriers_.pop();
        ++busy_carriers_;
        carrier.line = &line;
        carrier.nodes = {};
        carrier.failure = {};
        if (!writes) {
            line.waiting.pop();
            node->waiting = false;
            carrier.nodes.push(*node);
            return begin_action(carrier);
        }
        // A zone may change by itself, so nobody is refused by what was known before.
        if (line.known == Line::Known::nothing || judge(line, *node) != StatusCode::ok)
            return report(carrier, Carrier::Step::look);
        return begin_write(line, carrier);
    }
    release(line);
}

// ---- Holding. All under the line's lock.

void SequencedQueue::park(Line& line) noexcept {
    line.parked = true;
    if (std::exchange(line.sweep_waits, false)) zones_.poke_sweep();
}

void SequencedQueue::release(Line& line) noexcept {
    line.held = false;
    line.parked = false;
    line.confirmed = false;
    if (std::exchange(line.sweep_waits, false)) zones_.poke_sweep();
}

/// To a queue of whoever waits first.
void SequencedQueue::hand_on(Line& line) noexcept {
    if (line.make_room) return runnable_.push(line);
    if (line.waiting.empty()) return release(line);
    auto& owner = *line.waiting.first->owner;
    if (&owner == this)
        runnable_.push(line);
    else
        owner.receive(line);
}

void SequencedQueue::unpark(Line& line) noexcept {
    if (!std::exchange(line.parked, false)) return;
    hand_on(line);
}

// ---- Native appends.

void SequencedQueue::pass_append(Line& line, Node& node) noexcept {
    ++line.appends;
    ++passed_appends_;
    line.known = Line::Known::nothing;
    if (node.owner == this)
        node.use = Node::Use::appending;
    else
        foreign_appends_.push(node);
    send(node.request, tag_of(node));
}

void SequencedQueue::append_passed(Node& node, const Completion& completion) noexcept {
    --passed_appends_;
    if (node.owner != this) foreign_appends_.remove(node);
    if (!completion.status.ok() && explain(node, completion.status)) return;
    end_append(node, completion.status, completion.result);
}

void SequencedQueue::end_append(Node& node, Status status, std::uint64_t result) noexcept {
    {
        auto& line = zones_.line(node.zone);
        const std::lock_guard guard(line.lock);
        if (--line.appends == 0) {
            if (line.parked)
                unpark(line);
            else if (!line.held && std::exchange(line.sweep_waits, false))
                zones_.poke_sweep();
        }
    }
    finish(node, status, result);
}

// ---- What is known.

StatusCode SequencedQueue::judge(const Line& line, const Node& node) const noexcept {
    switch (line.known) {
        case Line::Known::full:
            return StatusCode::zone_full;
        case Line::Known::read_only:
            return StatusCode::zone_read_only;
        case Line::Known::offline:
            return StatusCode::zone_offline;
        case Line::Known::nothing:
        case Line::Known::pointer:
            break;
    }
    const auto& request = node.request;
    if (request.operation == Operation::write)
        return request.offset == line.pointer ? StatusCode::ok : StatusCode::unaligned_write;
    const auto& layout = limits().layout;
    const auto end = layout.start_of(node.zone) + layout.capacity_of(node.zone);
    return request.length <= end - line.pointer ? StatusCode::ok : StatusCode::crosses_boundary;
}

void SequencedQueue::report(Carrier& carrier, Carrier::Step step) noexcept {
    carrier.step = step;
    Request request;
    request.operation = Operation::report;
    request.offset = limits().layout.start_of(zones_.index(*carrier.line));
    request.zones = {&carrier.zone, 1};
    send(request, tag_of(carrier));
}

/// What is wrong with a report, if anything is.
std::optional<Status> SequencedQueue::find_fault(const Carrier& carrier,
                                                 const Completion& completion) const noexcept {
    if (!completion.status.ok()) return completion.status;
    const auto& layout = limits().layout;
    const auto index = zones_.index(*carrier.line);
    const auto start = layout.start_of(index);
    const auto& zone = carrier.zone;
    const Status nonsense{StatusCode::io_error, {}};
    if (completion.result != 1 || zone.start != start) return nonsense;
    switch (zone.state) {
        case ZoneState::empty:
        case ZoneState::implicit_open:
        case ZoneState::explicit_open:
        case ZoneState::closed:
            if (!zone.write_pointer || *zone.write_pointer < start ||
                *zone.write_pointer > start + layout.capacity_of(index))
                return nonsense;
            return std::nullopt;
        case ZoneState::full:
        case ZoneState::read_only:
        case ZoneState::offline:
            return std::nullopt;
        case ZoneState::not_write_pointer:
            break;
    }
    return nonsense;
}

void SequencedQueue::learn(Line& line, const Zone& zone) noexcept {
    line.confirmed = true;
    line.opened = zone.state == ZoneState::implicit_open;
    if (line.opened) zones_.note_opened(line);
    switch (zone.state) {
        case ZoneState::empty:
        case ZoneState::implicit_open:
        case ZoneState::explicit_open:
        case ZoneState::closed:
            line.pointer = zone.write_pointer.value_or(zone.start);
            line.known = Line::Known::pointer;
            return;
        case ZoneState::full:
            line.known = Line::Known::full;
            return;
        case ZoneState::read_only:
            line.known = Line::Known::read_only;
            return;
        case ZoneState::offline:
            line.known = Line::Known::offline;
            return;
        case ZoneState::not_write_pointer:
            line.known = Line::Known::nothing;
            return;
    }
}

void SequencedQueue::fail_waiting(Line& line, Status status) noexcept {
    line.known = Line::Known::nothing;
    List<Node> failed;
    {
        const std::lock_guard guard(line.lock);
        failed = std::exchange(line.waiting, {});
        for (auto* node = failed.first; node != nullptr; node = node->next) node->waiting = false;
    }
    while (auto* node = failed.pop()) finish(*node, status, 0);
}

/// The carrier is done; its line goes on with who waits.
void SequencedQueue::go_on(Carrier& carrier) noexcept {
    runnable_.push(*carrier.line);
    carrier.line = nullptr;
    idle_carriers_.push(carrier);
    --busy_carriers_;
}

void SequencedQueue::carried(Carrier& carrier, const Completion& completion) noexcept {
    auto& line = *carrier.line;
    std::optional<Status> fault;
    switch (carrier.step) {
        case Carrier::Step::write:
            return write_ended(carrier, completion.status);
        case Carrier::Step::act:
            return action_ended(carrier, completion);
        case Carrier::Step::look:
            fault = find_fault(carrier, completion);
            if (fault)
                fail_waiting(line, *fault);
            else
                learn(line, carrier.zone);
            return go_on(carrier);
        case Carrier::Step::explain_write:
            fault = find_fault(carrier, completion);
            if (!fault) return settle_write(carrier);
            while (auto* node = carrier.nodes.pop()) finish(*node, carrier.failure, 0);
            fail_waiting(line, *fault);
            return go_on(carrier);
        case Carrier::Step::judge_action:
            fault = find_fault(carrier, completion);
            if (!fault) return action_judged(carrier);
            line.known = Line::Known::nothing;
            return end_action(carrier, *fault);
        case Carrier::Step::explain_action:
            fault = find_fault(carrier, completion);
            if (!fault) return action_explained(carrier);
            line.known = Line::Known::nothing;
            return end_action(carrier, carrier.failure);
        case Carrier::Step::explain_append:
            return append_explained(carrier, !find_fault(carrier, completion));
        case Carrier::Step::explain_read:
            return read_explained(carrier, !find_fault(carrier, completion));
        case Carrier::Step::look_for_room:
            return room_looked(carrier, !find_fault(carrier, completion));
        case Carrier::Step::close_for_room:
            return room_made(carrier);
    }
}

}  // namespace zonebridge::sequencer
