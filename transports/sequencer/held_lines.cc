#include "transports/sequencer/held_lines.h"

namespace zonebridge::sequencer {

void HeldLines::park(Line& line) noexcept {
    line.parked = true;
    if (std::exchange(line.sweep_waits, false)) zones_.poke_sweep();
}

void HeldLines::release(Line& line) noexcept {
    line.held = false;
    line.parked = false;
    line.confirmed = false;
    if (std::exchange(line.sweep_waits, false)) zones_.poke_sweep();
}

void HeldLines::hand_on(Line& line) noexcept {
    if (line.make_room) return runnable_.push(line);
    if (line.waiting.empty()) return release(line);
    auto& owner = *line.waiting.first->owner;
    if (&owner == &inbox_)
        runnable_.push(line);
    else
        owner.receive(line);
}

void HeldLines::unpark(Line& line) noexcept {
    if (!std::exchange(line.parked, false)) return;
    hand_on(line);
}

}  // namespace zonebridge::sequencer
