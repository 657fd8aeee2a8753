// An action on one zone: judged, done, and explained if it failed.
#include "layers/sequencer/queue.h"
#include "layers/sequencer/verdict.h"

namespace zonebridge::sequencer {

void SequencedQueue::begin_action(Carrier& carrier) noexcept {
    const auto operation = carrier.nodes.first->request.operation;
    if (operation == Operation::open || operation == Operation::close)
        return report(carrier, Carrier::Step::judge_action);
    act(carrier);
}

void SequencedQueue::act(Carrier& carrier) noexcept {
    carrier.step = Carrier::Step::act;
    carrier.line->confirmed = false;
    send(carrier.nodes.first->request, tag_of(carrier));
}

void SequencedQueue::action_judged(Carrier& carrier) noexcept {
    learn(*carrier.line, carrier.zone);
    const auto verdict = judge_action(carrier.nodes.first->request.operation, carrier.zone.state);
    if (verdict) return end_action(carrier, {*verdict, {}});
    act(carrier);
}

void SequencedQueue::action_ended(Carrier& carrier, const Completion& completion) noexcept {
    auto& line = *carrier.line;
    if (!completion.status.ok()) {
        carrier.failure = completion.status;
        return report(carrier, Carrier::Step::explain_action);
    }
    const auto operation = carrier.nodes.first->request.operation;
    line.opened = false;
    line.crowdings = 0;
    if (operation == Operation::reset) {
        line.known = Line::Known::pointer;
        line.pointer = limits().layout.start_of(zones_.index(line));
    } else if (operation == Operation::finish) {
        line.known = Line::Known::full;
    }
    end_action(carrier, {});
}

void SequencedQueue::action_explained(Carrier& carrier) noexcept {
    learn(*carrier.line, carrier.zone);
    if (wait_for_room(carrier)) return;
    end_action(carrier, explain_action(carrier.nodes.first->request.operation, carrier.zone.state,
                                       carrier.failure));
}

void SequencedQueue::end_action(Carrier& carrier, Status status) noexcept {
    finish(*carrier.nodes.pop(), status, status.ok() ? 1 : 0);
    go_on(carrier);
}

}  // namespace zonebridge::sequencer
