// The requests of one queue: a place for each that may be in flight, and the completions that wait
// to be reaped.
//
// Threads: the queue's; a request of another queue goes to that queue's inbox.
// Ownership: owns the nodes; borrows the inbox.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "transports/sequencer/inbox.h"
#include "transports/sequencer/zones.h"
#include "zone/completions.h"

namespace zonebridge::sequencer {

class Requests {
  public:
    Requests(std::size_t depth, Inbox& inbox) : inbox_(inbox), nodes_(depth), done_(depth) {
        for (auto& node : nodes_) {
            node.owner = &inbox;
            idle_.push(node);
        }
    }

    /// Null if as many requests are in flight as there may be.
    [[nodiscard]] Node* take() noexcept { return idle_.pop(); }
    [[nodiscard]] bool owns(const Node& node) const noexcept { return node.owner == &inbox_; }
    /// One of this queue's requests now waits for a zone, or for many.
    void note_ordered() noexcept { ++ordered_; }

    /// Completes a request of whichever queue.
    void finish(Node& node, Status status, std::uint64_t result) noexcept {
        node.status = status;
        node.result = result;
        if (owns(node))
            give_back(node);
        else
            node.owner->receive(node);
    }
    /// Completes one of this queue's, whose node says how it ended.
    void give_back(Node& node) noexcept {
        if (node.use != Node::Use::passing) --ordered_;
        node.use = Node::Use::idle;
        done_.push({node.request.tag, node.status, node.result});
        idle_.push(node);
    }
    /// One that waited is not to be completed: the queue is closed.
    void withdraw(Node& node) noexcept {
        --ordered_;
        node.use = Node::Use::idle;
    }

    [[nodiscard]] bool has_completions() const noexcept { return !done_.empty(); }
    [[nodiscard]] std::size_t collect(std::span<Completion> out) noexcept {
        return done_.take(out);
    }
    /// Requests that are in order with others and not completed.
    [[nodiscard]] std::size_t ordered() const noexcept { return ordered_; }
    [[nodiscard]] std::span<Node> all() noexcept { return nodes_; }

  private:
    Inbox& inbox_;
    std::vector<Node> nodes_;  // with its full size from the start
    List<Node> idle_;
    Completions done_;
    std::size_t ordered_ = 0;
};

}  // namespace zonebridge::sequencer
