// The lines that one queue holds without a command in flight; and how a line changes hands.
#pragma once

#include <utility>

#include "layers/sequencer/inbox.h"
#include "layers/sequencer/zones.h"

namespace zonebridge::sequencer {

class HeldLines {
  public:
    HeldLines(Zones& zones, Inbox& inbox) noexcept : zones_(zones), inbox_(inbox) {}

    /// This queue holds the line, which may have a request to issue.
    void add(Line& line) noexcept { runnable_.push(line); }
    /// The same, but the line lacks a resource; it is run again in the next turn.
    void stall(Line& line) noexcept { stalled_.push(line); }
    /// Calls `run` for each line, including lines added meanwhile.
    template <typename Run>
    void run_all(Run run) noexcept {
        auto again = std::exchange(stalled_, {});
        while (auto* line = again.pop()) run(*line);
        while (auto* line = runnable_.pop()) run(*line);
    }
    [[nodiscard]] bool are_runnable() const noexcept { return !runnable_.empty(); }
    [[nodiscard]] bool empty() const noexcept { return runnable_.empty() && stalled_.empty(); }

    // ---- All under the line's lock.

    /// This queue no longer holds the line. The end of what the line waits for takes it up again.
    void park(Line& line) noexcept {
        line.state = Line::State::parked;
        if (std::exchange(line.sweep_waits, false)) zones_.sweeps.wake_first();
    }
    /// No queue holds the line any more.
    void release(Line& line) noexcept {
        line.state = Line::State::idle;
        line.pointer.doubt();
        if (std::exchange(line.sweep_waits, false)) zones_.sweeps.wake_first();
    }
    /// Gives a line that no queue holds to the queue of its first pending request; to this queue if
    /// its zone must be closed for room.
    void hand_on(Line& line) noexcept {
        line.state = Line::State::held;
        if (line.room.wanted) return runnable_.push(line);
        if (line.pending.empty()) return release(line);
        auto& owner = *line.pending.first->owner;
        if (&owner == &inbox_)
            runnable_.push(line);
        else
            owner.receive(line);
    }
    /// The same, if the line is parked.
    void unpark(Line& line) noexcept {
        if (line.state == Line::State::parked) hand_on(line);
    }

  private:
    Zones& zones_;
    Inbox& inbox_;
    List<Line> runnable_;
    List<Line> stalled_;
};

}  // namespace zonebridge::sequencer
