// Keeps the order of one zone's requests: issues the next one of a line that the queue holds, and
// handles its completion. A zone has one command in flight at a time.
//
// Threads: belongs to the queue's thread.
#pragma once

#include <optional>

#include "layers/sequencer/channel.h"
#include "layers/sequencer/passed.h"

namespace zonebridge::sequencer {

class ZoneOrder {
  public:
    ZoneOrder(Channel& channel, PassedRequests& passed) noexcept
        : channel_(channel), passed_(passed) {}

    /// Adds one of this queue's own requests for one zone, node.zone.
    void add(Node& node) noexcept;
    /// Issues the next request. Requires that this queue holds the line, and that the device has
    /// nothing of it but native appends.
    void run(Line& line) noexcept;
    /// The device has completed the command's step.
    void completed(Command& command, const Completion& completion) noexcept;

    // ---- When the queue is closed.

    /// False: the request is no longer pending.
    [[nodiscard]] bool withdraw(Node& node) noexcept;
    /// The device will not complete the command.
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
