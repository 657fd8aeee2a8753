// The requests of one queue: a node for each that may be in flight, and the completions waiting to
// be reaped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/ring_buffer.h"
#include "layers/sequencer/inbox.h"
#include "layers/sequencer/zones.h"

namespace zonebridge::sequencer {

class Requests {
  public:
    Requests(std::size_t depth, Inbox& inbox) : inbox_(inbox), nodes_(depth), done_(depth) {
        for (auto& node : nodes_) {
            node.owner = &inbox;
            idle_.push(node);
        }
    }

    /// Null if the limit of requests in flight is reached.
    [[nodiscard]] Node* take() noexcept { return idle_.pop(); }
    [[nodiscard]] bool owns(const Node& node) const noexcept { return node.owner == &inbox_; }
    /// One of this queue's requests now waits in the order of one zone or several.
    void note_ordered() noexcept { ++ordered_; }

    /// Completes a request of any queue.
    void finish(Node& node, Status status, std::uint64_t result) noexcept {
        node.status = status;
        node.result = result;
        if (owns(node))
            give_back(node);
        else
            node.owner->receive(node);
    }
    /// Completes one of this queue's requests; its node has the result.
    void give_back(Node& node) noexcept {
        if (node.use != Node::Use::passing) --ordered_;
        node.use = Node::Use::idle;
        done_.push({node.request.tag, node.status, node.result});
        idle_.push(node);
    }
    /// Drops a waiting request without a completion, because the queue is closed.
    void withdraw(Node& node) noexcept {
        --ordered_;
        node.use = Node::Use::idle;
    }

    [[nodiscard]] bool has_completions() const noexcept { return !done_.empty(); }
    [[nodiscard]] std::size_t collect(std::span<Completion> out) noexcept {
        return done_.take(out);
    }
    /// Ordered requests that have not completed.
    [[nodiscard]] std::size_t ordered() const noexcept { return ordered_; }
    [[nodiscard]] std::span<Node> all() noexcept { return nodes_; }

  private:
    Inbox& inbox_;
    std::vector<Node> nodes_;  // full size from the start
    List<Node> idle_;
    RingBuffer<Completion> done_;
    std::size_t ordered_ = 0;
};

}  // namespace zonebridge::sequencer
