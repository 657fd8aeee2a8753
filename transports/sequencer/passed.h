// Requests that pass their zone's order by: reads, all else that needs no order, and appends that
// the device itself puts in order. Where one fails and the device says no more than "input/output
// error", a report of the zone explains why. Nothing waits for the zone meanwhile but a sweep or a
// write.
//
// Threads: the queue's.
// Ownership: borrows the channel.
#pragma once

#include <cstddef>
#include <cstdint>

#include "transports/sequencer/channel.h"

namespace zonebridge::sequencer {

class PassedRequests {
  public:
    explicit PassedRequests(Channel& channel) noexcept : channel_(channel) {}

    /// One of this queue's own that needs no order.
    void send(Node& node, const Request& request) noexcept {
        node.use = Node::Use::passing;
        node.request.tag = request.tag;
        node.request.operation = request.operation;
        node.request.offset = request.offset;
        node.request.length = request.length;
        channel_.device.send(request, tag_of(node));
    }
    /// An append of any queue. Under the line's lock; the line's pointer is not known afterwards.
    void append(Line& line, Node& node) noexcept;
    /// Whether there are as many appends in flight as there may be.
    [[nodiscard]] bool is_full() const noexcept {
        return appends_ >= channel_.requests.all().size();
    }
    /// A request's own command has ended.
    void completed(Node& node, const Completion& completion) noexcept {
        // A passing node is always this queue's own; of others' there are only appends.
        if (!can_be_withdrawn(node)) return append_completed(node, completion);
        if (!completion.status.ok()) return failed(node, completion);
        channel_.requests.finish(node, completion.status, completion.result);
    }
    /// The report has ended that explains a failure.
    void explained(Command& command, const Completion& completion) noexcept;

    // ---- When the queue is closed.

    /// Appends can't be: they are counted.
    [[nodiscard]] bool can_be_withdrawn(const Node& node) const noexcept {
        return channel_.requests.owns(node) && node.use == Node::Use::passing;
    }
    [[nodiscard]] std::size_t appends_in_flight() const noexcept { return appends_; }
    /// The device's answers will not come.
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
    List<Node> others_appends_;  // of those, other queues'
};

}  // namespace zonebridge::sequencer
