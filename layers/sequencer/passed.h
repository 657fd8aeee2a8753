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
    void send(Node& node, const Request& request) noexcept {
        node.use = Node::Use::passing;
        node.request.tag = request.tag;
        node.request.operation = request.operation;
        node.request.offset = request.offset;
        node.request.length = request.length;
        channel_.device.pass(request, tag_of(node));
    }
    /// Sends an append of any queue. Under the line's lock; its pointer is unknown afterwards.
    void append(Line& line, Node& node) noexcept;
    /// Whether the limit of appends in flight is reached.
    [[nodiscard]] bool is_full() const noexcept {
        return appends_ >= channel_.requests.all().size();
    }
    /// The request itself has completed.
    void completed(Node& node, const Completion& completion) noexcept {
        // Other queues' nodes here are always appends.
        if (!can_be_withdrawn(node)) return append_completed(node, completion);
        if (!completion.status.ok()) return failed(node, completion);
        channel_.requests.finish(node, completion.status, completion.result);
    }
    /// The report that explains a failure has completed.
    void explained(Command& command, const Completion& completion) noexcept;

    // ---- When the queue is closed.

    /// Appends can't be: they are counted.
    [[nodiscard]] bool can_be_withdrawn(const Node& node) const noexcept {
        return channel_.requests.owns(node) && node.use == Node::Use::passing;
    }
    [[nodiscard]] std::size_t appends_in_flight() const noexcept { return appends_; }
    /// The device will not complete the requests.
    void abandon(Status status) noexcept;

  private:
    void failed(Node& node, const Completion& completion) noexcept;
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
