// The lines that one queue holds and has nothing in flight for; and how a line changes hands.
//
// Threads: the queue's.
// Ownership: borrows the lines, the zones and the inbox.
#pragma once

#include <utility>

#include "transports/sequencer/inbox.h"
#include "transports/sequencer/zones.h"

namespace zonebridge::sequencer {

class HeldLines {
  public:
    HeldLines(Zones& zones, Inbox& inbox) noexcept : zones_(zones), inbox_(inbox) {}

    /// This queue holds the line, which may have something to issue.
    void add(Line& line) noexcept { runnable_.push(line); }
    /// The same, but something is used up that the line needs; it is run again in the next turn.
    void stall(Line& line) noexcept { stalled_.push(line); }
    /// Calls `run` for each line, also for those that are added meanwhile.
    template <typename Run>
    void run_all(Run run) noexcept {
        auto again = std::exchange(stalled_, {});
        while (auto* line = again.pop()) run(*line);
        while (auto* line = runnable_.pop()) run(*line);
    }
    [[nodiscard]] bool are_runnable() const noexcept { return !runnable_.empty(); }
    [[nodiscard]] bool empty() const noexcept { return runnable_.empty() && stalled_.empty(); }

    // ---- All under the line's lock.

    /// This queue holds the line no more. What the line waits for takes it up again.
    void park(Line& line) noexcept;
    /// No queue holds the line any more.
    void release(Line& line) noexcept;
    /// The line, which no queue holds, goes to a queue of the first request that waits there.
    void hand_on(Line& line) noexcept;
    /// The same, if the line is parked.
    void unpark(Line& line) noexcept;

  private:
    Zones& zones_;
    Inbox& inbox_;
    List<Line> runnable_;
    List<Line> stalled_;
};

}  // namespace zonebridge::sequencer
