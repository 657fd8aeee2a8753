// Requests outside their zone's order: reads, everything else that needs no order, and appends that
// the device itself orders. If one fails with nothing more than io_error, a report of its zone
// explains why. Only a sweep or a write of the zone waits for that.
//
// Threads: belongs to the queue's thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "layers/sequencer/channel.h"

namespace zonebridge::sequencer {

class PassedRequests {
  public:
    explicit PassedRequests(Channel& channel) noexcept : channel_(channel) {}

    /// Sends one of this queue's own requests that needs no order.
    void send(Node& node, const Request& request) noexcept;
    /// Sends an append of any queue. Under the line's lock; the line's pointer is unknown
    /// afterwards.
    void append(Line& line, Node& node) noexcept;
    /// Whether the limit of appends in flight is reached.
    [[nodiscard]] bool is_full() const noexcept {
        return appends_ >= channel_.requests.all().size();
    }
    /// The request itself has completed.
    void completed(Node& node, const Completion& completion) noexcept;
    /// The report that explains a failure has completed.
    void explained(Command& command, const Completion& completion) noexcept;

    // ---- When the queue is closed.

    [[nodiscard]] bool can_be_withdrawn(const Node& node) const noexcept;
    [[nodiscard]] std::size_t appends_in_flight() const noexcept { return appends_; }
    /// The device will not complete the requests.
    void abandon(Status status) noexcept;

  private:
    [[nodiscard]] bool explain(Node& node, Status failure) noexcept;
    void append_explained(Command& command, bool is_known) noexcept;
    void read_explained(Command& command, bool is_known) noexcept;
    void append_completed(Node& node, const Completion& completion) noexcept;
    void end_append(Node& node, Status status, std::uint64_t result) noexcept;

    Channel& channel_;
    std::size_t appends_ = 0;    // in the device
    List<Node> others_appends_;  // those of other queues
};

}  // namespace zonebridge::sequencer
