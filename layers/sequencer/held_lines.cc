#include "layers/sequencer/held_lines.h"

namespace zonebridge::sequencer {

void HeldLines::park(Line& line) noexcept {
    line.state = Line::State::parked;
    if (std::exchange(line.sweep_waits, false)) zones_.sweeps.wake_first();
}

void HeldLines::release(Line& line) noexcept {
    line.state = Line::State::idle;
    line.pointer.doubt();
    if (std::exchange(line.sweep_waits, false)) zones_.sweeps.wake_first();
}

void HeldLines::hand_on(Line& line) noexcept {
    line.state = Line::State::held;
    if (line.room.wanted) return runnable_.push(line);
    if (line.pending.empty()) return release(line);
    auto& owner = *line.pending.first->owner;
    if (&owner == &inbox_)
        runnable_.push(line);
    else
        owner.receive(line);
}

void HeldLines::unpark(Line& line) noexcept {
    if (line.state == Line::State::parked) hand_on(line);
}

}  // namespace zonebridge::sequencer
