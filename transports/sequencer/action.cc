// An action on one zone: judged, done, and explained if it failed.
#include "transports/sequencer/queue.h"
#include "transports/sequencer/verdict.h"

namespace zonebridge::sequencer {

void SequencedQueue::begin_action(Command& command) noexcept {
    const auto operation = command.node->request.operation;
    if (operation == Operation::open || operation == Operation::close)
        return channel_.report(command, Command::Step::judge_action);
    act(command);
}

void SequencedQueue::act(Command& command) noexcept {
    command.step = Command::Step::act;
    command.line->confirmed = false;
    channel_.device.send(command.node->request, tag_of(command));
}

void SequencedQueue::action_judged(Command& command) noexcept {
    learn(*command.line, command.zone);
    const auto verdict = judge_action(command.node->request.operation, command.zone.state);
    if (verdict) return end_action(command, {*verdict, {}});
    act(command);
}

void SequencedQueue::action_ended(Command& command, const Completion& completion) noexcept {
    auto& line = *command.line;
    if (!completion.status.ok()) {
        command.failure = completion.status;
        return channel_.report(command, Command::Step::explain_action);
    }
    const auto operation = command.node->request.operation;
    zones_.room.note_acted(line);
    if (operation == Operation::reset) {
        line.known = Line::Known::pointer;
        line.pointer = limits().layout.start_of(zones_.index(line));
    } else if (operation == Operation::finish) {
        line.known = Line::Known::full;
    }
    end_action(command, {});
}

void SequencedQueue::action_explained(Command& command) noexcept {
    learn(*command.line, command.zone);
    List<Node> requests;
    requests.push(*command.node);
    if (zones_.room.wait(channel_, command, requests)) return;
    end_action(command, explain_action(command.node->request.operation, command.zone.state,
                                       command.failure));
}

void SequencedQueue::end_action(Command& command, Status status) noexcept {
    channel_.requests.finish(*command.node, status, status.ok() ? 1 : 0);
    channel_.go_on(command);
}

}  // namespace zonebridge::sequencer
