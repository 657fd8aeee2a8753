// One zone's order: who goes next, and what is known of the zone's pointer.
#include <utility>

#include "transports/sequencer/queue.h"

namespace zonebridge::sequencer {

/// Issues what is next. `line` is held by this queue, and nothing of it is in the device but native
/// appends.
void SequencedQueue::run(Line& line) noexcept {
    const std::lock_guard guard(line.lock);
    const auto zone = zones_.index(line);
    if (line.room.wanted) {
        if (line.appends != 0) return channel_.lines.park(line);
        if (channel_.commands.are_used_up()) return channel_.lines.stall(line);
        return zones_.room.begin(channel_, channel_.commands.take(line));
    }
    while (auto* node = line.waiting.first) {
        if (channel_.closing) return channel_.lines.hand_on(line);
        if (zones_.sweeps.block(zone, node->order)) return channel_.lines.park(line);
        const auto operation = node->request.operation;
        if (channel_.native_append && operation == Operation::append) {
            if (passed_appends_ >= depth()) return channel_.lines.stall(line);
            line.take_first();
            pass_append(line, *node);
            continue;
        }
        if (line.appends != 0) return channel_.lines.park(line);
        if (channel_.commands.are_used_up()) return channel_.lines.stall(line);

        const auto writes = !is_zone_action(operation);
        if (writes && line.known != Line::Known::nothing) {
            const auto code = judge(line, *node);
            if (code != StatusCode::ok && line.confirmed) {
                line.take_first();
                channel_.requests.finish(*node, {code, {}}, 0);
                continue;
            }
        }
        auto& command = channel_.commands.take(line);
        if (!writes) {
            line.take_first();
            command.node = node;
            return begin_action(command);
        }
        // A zone may change by itself, so nobody is refused by what was known before.
        if (line.known == Line::Known::nothing || judge(line, *node) != StatusCode::ok)
            return channel_.report(command, Command::Step::look);
        command.step = Command::Step::write;
        line.confirmed = false;
        command.write.join(channel_, line);
        return command.write.fill(channel_.device.add(tag_of(command)));
    }
    channel_.lines.release(line);
}

// ---- Native appends.

void SequencedQueue::pass_append(Line& line, Node& node) noexcept {
    ++line.appends;
    ++passed_appends_;
    line.known = Line::Known::nothing;
    if (node.owner == &channel_.inbox)
        node.use = Node::Use::appending;
    else
        foreign_appends_.push(node);
    channel_.device.send(node.request, tag_of(node));
}

void SequencedQueue::append_passed(Node& node, const Completion& completion) noexcept {
    --passed_appends_;
    if (node.owner != &channel_.inbox) foreign_appends_.remove(node);
    if (!completion.status.ok() && explain(node, completion.status)) return;
    end_append(node, completion.status, completion.result);
}

void SequencedQueue::end_append(Node& node, Status status, std::uint64_t result) noexcept {
    {
        auto& line = zones_.line(node.zone);
        const std::lock_guard guard(line.lock);
        if (--line.appends == 0) {
            if (line.state == Line::State::parked)
                channel_.lines.hand_on(line);
            else if (line.state == Line::State::idle && std::exchange(line.sweep_waits, false))
                zones_.sweeps.wake_first();
        }
    }
    channel_.requests.finish(node, status, result);
}

// ---- Writes.

void SequencedQueue::write_ended(Command& command, Status status) noexcept {
    if (!status.ok()) {
        command.failure = status;
        return channel_.report(command, Command::Step::explain_write);
    }
    auto& line = *command.line;
    command.write.succeed(channel_.requests);
    const auto& layout = limits().layout;
    const auto zone = zones_.index(line);
    line.pointer = command.write.end();
    const auto full = line.pointer == layout.start_of(zone) + layout.capacity_of(zone);
    if (full) line.known = Line::Known::full;
    zones_.room.note_written(line, full);
    channel_.go_on(command);
}

/// The zone was reported after a write failed.
void SequencedQueue::settle_write(Command& command) noexcept {
    auto& line = *command.line;
    learn(line, command.zone);
    const auto untouched = line.pointer == command.write.offset();
    if (untouched && zones_.room.wait(channel_, command, command.write.requests())) return;
    command.write.settle(channel_.requests, line, command.failure);
    channel_.go_on(command);
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

void SequencedQueue::learn(Line& line, const Zone& zone) noexcept {
    line.confirmed = true;
    zones_.room.note_reported(line, zone.state);
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
    while (auto* node = failed.pop()) channel_.requests.finish(*node, status, 0);
}

void SequencedQueue::carried(Command& command, const Completion& completion) noexcept {
    auto& line = *command.line;
    std::optional<Status> fault;
    switch (command.step) {
        case Command::Step::write:
            return write_ended(command, completion.status);
        case Command::Step::act:
            return action_ended(command, completion);
        case Command::Step::look:
            fault = channel_.find_fault(command, completion);
            if (fault)
                fail_waiting(line, *fault);
            else
                learn(line, command.zone);
            return channel_.go_on(command);
        case Command::Step::explain_write:
            fault = channel_.find_fault(command, completion);
            if (!fault) return settle_write(command);
            command.write.fail(channel_.requests, command.failure);
            fail_waiting(line, *fault);
            return channel_.go_on(command);
        case Command::Step::judge_action:
            fault = channel_.find_fault(command, completion);
            if (!fault) return action_judged(command);
            line.known = Line::Known::nothing;
            return end_action(command, *fault);
        case Command::Step::explain_action:
            fault = channel_.find_fault(command, completion);
            if (!fault) return action_explained(command);
            line.known = Line::Known::nothing;
            return end_action(command, command.failure);
        case Command::Step::explain_append:
            return append_explained(command, !channel_.find_fault(command, completion));
        case Command::Step::explain_read:
            return read_explained(command, !channel_.find_fault(command, completion));
        case Command::Step::look_for_room:
            fault = channel_.find_fault(command, completion);
            if (!fault) learn(line, command.zone);
            return zones_.room.looked(channel_, command, !fault);
        case Command::Step::close_for_room:
            return zones_.room.ended(channel_, command);
    }
}

}  // namespace zonebridge::sequencer
