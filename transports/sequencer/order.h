// The order of one zone's requests: what the queue that holds a line issues next, and what becomes of
// it. There is one command in flight for a zone at a time.
//
// Threads: the queue's.
// Ownership: borrows the channel and the requests that pass by.
#pragma once

#include <optional>

#include "transports/sequencer/channel.h"
#include "transports/sequencer/passed.h"

namespace zonebridge::sequencer {

class ZoneOrder {
  public:
    ZoneOrder(Channel& channel, PassedRequests& passed) noexcept
        : channel_(channel), passed_(passed) {}

    /// One of this queue's own, for one zone: node.zone.
    void add(Node& node) noexcept;
    /// Issues what is next. The line is held by this queue, and nothing of it is in the device but
    /// native appends.
    void run(Line& line) noexcept;
    /// The device has done what the command's step says.
    void completed(Command& command, const Completion& completion) noexcept;

    // ---- When the queue is closed.

    /// False: it is not pending any more.
    [[nodiscard]] bool withdraw(Node& node) noexcept;
    /// The device's answer will not come.
    void abandon(Command& command, Status status) noexcept;

  private:
    [[nodiscard]] StatusCode judge_first(const Line& line) const noexcept;
    [[nodiscard]] bool refuse_first(Line& line) noexcept;
    void begin_action(Line& line) noexcept;
    void begin_write(Line& line) noexcept;

    void learn(Command& command) noexcept;
    void looked(Command& command, std::optional<Status> fault) noexcept;
    void fail_pending(Line& line, Status status) noexcept;

    void written(Command& command, Status status) noexcept;
    void write_explained(Command& command, std::optional<Status> fault) noexcept;

    void act(Command& command) noexcept;
    void action_judged(Command& command, std::optional<Status> fault) noexcept;
    void acted(Command& command, const Completion& completion) noexcept;
    void action_explained(Command& command, std::optional<Status> fault) noexcept;
    void end_action(Command& command, Status status) noexcept;

    Channel& channel_;
    PassedRequests& passed_;
};

}  // namespace zonebridge::sequencer
