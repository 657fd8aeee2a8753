#include "layers/sequencer/order.h"

#include "layers/sequencer/verdict.h"

namespace zonebridge::sequencer {

void ZoneOrder::add(Node& node) noexcept {
    node.use = Node::Use::in_zone;
    auto& line = channel_.zones.line(node.zone);
    auto& sweeps = channel_.zones.sweeps;
    const std::lock_guard guard(line.lock);
    node.order = sweeps.accepted();
    const auto idle = line.state == Line::State::idle;
    if (idle && channel_.native_append && node.request.operation == Operation::append &&
        !sweeps.block(node.zone, node.order))
        return passed_.append(line, node);
    line.add(node);
    if (!idle) return;
    line.state = Line::State::held;
    channel_.lines.add(line);
}

void ZoneOrder::run(Line& line) noexcept {
    const std::lock_guard guard(line.lock);
    if (line.room.wanted) {
        if (line.appends != 0) return channel_.lines.park(line);
        if (channel_.commands.are_used_up()) return channel_.lines.stall(line);
        return channel_.zones.room.begin(channel_, channel_.commands.take(line));
    }
    while (const auto* node = line.pending.first) {
        if (channel_.closing) {
            if (!channel_.requests.owns(*node)) return channel_.lines.hand_on(line);
            // Put back by another queue, which had it in a command that waits for room now.
            channel_.requests.withdraw(line.take_first());
            continue;
        }
        if (channel_.zones.sweeps.block(node->zone, node->order)) return channel_.lines.park(line);
        const auto operation = node->request.operation;
        if (channel_.native_append && operation == Operation::append) {
            if (passed_.is_full()) return channel_.lines.stall(line);
            passed_.append(line, line.take_first());
            continue;
        }
        if (line.appends != 0) return channel_.lines.park(line);
        if (channel_.commands.are_used_up()) return channel_.lines.stall(line);
        if (is_zone_action(operation)) return begin_action(line);
        if (!line.pointer.is_confirmed() || !refuse_first(line)) return begin_write(line);
    }
    channel_.lines.release(line);
}

void ZoneOrder::completed(Command& command, const Completion& completion) noexcept {
    switch (command.step) {
        case Command::Step::write:
            return written(command, completion.status);
        case Command::Step::act:
            return acted(command, completion);
        case Command::Step::look:
            return looked(command, channel_.find_fault(command, completion));
        case Command::Step::explain_write:
            return write_explained(command, channel_.find_fault(command, completion));
        case Command::Step::judge_action:
            return action_judged(command, channel_.find_fault(command, completion));
        case Command::Step::explain_action:
            return action_explained(command, channel_.find_fault(command, completion));
        case Command::Step::explain_append:
        case Command::Step::explain_read:
            return passed_.explained(command, completion);
        case Command::Step::look_for_room: {
            const auto is_known = !channel_.find_fault(command, completion);
            if (is_known) learn(command);
            return channel_.zones.room.looked(channel_, command, is_known);
        }
        case Command::Step::close_for_room:
            return channel_.zones.room.ended(channel_, command);
    }
}

// ---- The pointer.

void ZoneOrder::learn(Command& command) noexcept {
    command.line->pointer.learn(command.zone);
    channel_.zones.room.note_reported(*command.line, command.zone.state);
}

void ZoneOrder::looked(Command& command, std::optional<Status> fault) noexcept {
    if (fault)
        fail_pending(*command.line, *fault);
    else
        learn(command);
    channel_.go_on(command);
}

/// The zone's state can't be determined.
void ZoneOrder::fail_pending(Line& line, Status status) noexcept {
    line.pointer.forget();
    List<Node> failed;
    {
        const std::lock_guard guard(line.lock);
        failed = line.take_all();
    }
    while (auto* node = failed.pop()) channel_.requests.finish(*node, status, 0);
}

// ---- Writes, and emulated appends.

StatusCode ZoneOrder::judge_first(const Line& line) const noexcept {
    const auto& request = line.pending.first->request;
    if (request.operation == Operation::write) return line.pointer.judge_write(request.offset);
    return line.pointer.judge_append(request.length, channel_.zones.end_of(line));
}

/// Completes the first request if the latest report shows that the zone can't take it.
bool ZoneOrder::refuse_first(Line& line) noexcept {
    if (!line.pointer.is_known()) return false;
    const auto code = judge_first(line);
    if (code == StatusCode::ok) return false;
    channel_.requests.finish(line.take_first(), {code, {}}, 0);
    return true;
}

void ZoneOrder::begin_write(Line& line) noexcept {
    auto& command = channel_.commands.take(line);
    if (!line.pointer.is_known() || judge_first(line) != StatusCode::ok)
        return channel_.report(command, Command::Step::look);
    line.pointer.doubt();
    command.step = Command::Step::write;
    command.write.join(channel_, line);
    auto& device = channel_.device;
    const auto tag = tag_of(command);
    command.write.fill(command.write.is_as_it_came() ? device.pass(tag) : device.make(tag));
}

void ZoneOrder::written(Command& command, Status status) noexcept {
    if (!status.ok()) {
        command.failure = status;
        return channel_.report(command, Command::Step::explain_write);
    }
    auto& line = *command.line;
    command.write.succeed(channel_.requests);
    const auto full = command.write.end() == channel_.zones.end_of(line);
    line.pointer.move(command.write.end());
    if (full) line.pointer.fill();
    channel_.zones.room.note_written(line, full);
    channel_.go_on(command);
}

void ZoneOrder::write_explained(Command& command, std::optional<Status> fault) noexcept {
    auto& line = *command.line;
    if (fault) {
        command.write.fail(channel_.requests, command.failure);
        fail_pending(line, *fault);
        return channel_.go_on(command);
    }
    learn(command);
    const auto untouched = line.pointer.at() == command.write.offset();
    if (untouched && channel_.zones.room.wait(channel_, command, command.write.requests())) return;
    command.write.settle(channel_.requests, line.pointer, command.failure);
    channel_.go_on(command);
}

// ---- Actions on the zone: judged, carried out, and explained if they failed.

void ZoneOrder::begin_action(Line& line) noexcept {
    auto& command = channel_.commands.take(line);
    command.node = &line.take_first();
    const auto operation = command.node->request.operation;
    if (operation == Operation::open || operation == Operation::close)
        return channel_.report(command, Command::Step::judge_action);
    act(command);
}

void ZoneOrder::act(Command& command) noexcept {
    command.step = Command::Step::act;
    command.line->pointer.doubt();
    channel_.device.pass(command.node->request, tag_of(command));
}

void ZoneOrder::action_judged(Command& command, std::optional<Status> fault) noexcept {
    if (fault) {
        command.line->pointer.forget();
        return end_action(command, *fault);
    }
    learn(command);
    const auto verdict = judge_action(command.node->request.operation, command.zone.state);
    if (verdict) return end_action(command, {*verdict, {}});
    act(command);
}

void ZoneOrder::acted(Command& command, const Completion& completion) noexcept {
    auto& line = *command.line;
    if (!completion.status.ok()) {
        command.failure = completion.status;
        return channel_.report(command, Command::Step::explain_action);
    }
    const auto operation = command.node->request.operation;
    if (operation == Operation::reset)
        line.pointer.move(channel_.limits.layout.start_of(channel_.zones.index(line)));
    else if (operation == Operation::finish)
        line.pointer.fill();
    channel_.zones.room.note_acted(line);
    end_action(command, {});
}

void ZoneOrder::action_explained(Command& command, std::optional<Status> fault) noexcept {
    if (fault) {
        command.line->pointer.forget();
        return end_action(command, command.failure);
    }
    learn(command);
    List<Node> requests;
    requests.push(*command.node);
    if (channel_.zones.room.wait(channel_, command, requests)) return;
    end_action(command, explain_action(command.node->request.operation, command.zone.state,
                                       command.failure));
}

void ZoneOrder::end_action(Command& command, Status status) noexcept {
    channel_.requests.finish(*command.node, status, status.ok() ? 1 : 0);
    channel_.go_on(command);
}

// ---- Closing the queue.

bool ZoneOrder::withdraw(Node& node) noexcept {
    auto& line = channel_.zones.line(node.zone);
    const std::lock_guard guard(line.lock);
    if (!node.pending) return false;
    line.withdraw(node);
    // No queue holds a parked line, so nothing else would release it. A zone that must be closed
    // for room waits for native appends, and is taken up when they have ended.
    if (line.state == Line::State::parked && line.pending.empty() && !line.room.wanted)
        channel_.lines.release(line);
    return true;
}

void ZoneOrder::abandon(Command& command, Status status) noexcept {
    const Completion lost{0, status, 0};
    switch (command.step) {
        case Command::Step::explain_append:
        case Command::Step::explain_read:
            return passed_.explained(command, lost);
        case Command::Step::look_for_room:
        case Command::Step::close_for_room:
            return channel_.zones.room.ended(channel_, command);
        case Command::Step::write:
        case Command::Step::explain_write:
            command.write.fail(channel_.requests, status);
            break;
        case Command::Step::judge_action:
        case Command::Step::act:
        case Command::Step::explain_action:
            channel_.requests.finish(*command.node, status, 0);
            break;
        case Command::Step::look:
            break;
    }
    command.line->pointer.forget();
    channel_.go_on(command);
}

}  // namespace zonebridge::sequencer
