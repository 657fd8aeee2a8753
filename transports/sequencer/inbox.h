// Where other threads leave what is for one queue: its own requests that ended elsewhere, and zones
// that it holds from now on.
//
// Threads: receive() and wake() may be called from any; the others belong to the queue's thread.
// Ownership: owns its eventfd; borrows what is left in it.
#pragma once

#include <atomic>
#include <mutex>

#include "transports/list.h"

namespace zonebridge::sequencer {

struct Line;
struct Node;

class Inbox {
  public:
    struct Contents {
        List<Node> nodes;
        List<Line> lines;
    };

    /// Takes `event_fd` over: an eventfd that becomes readable when something was left.
    explicit Inbox(int event_fd) noexcept : event_fd_(event_fd) {}
    Inbox(const Inbox&) = delete;
    Inbox& operator=(const Inbox&) = delete;
    ~Inbox();

    /// One of the queue's requests, which ended.
    void receive(Node& node) noexcept;
    /// A line that the queue now holds. Only while one of the queue's requests waits there, and
    /// under that line's lock.
    void receive(Line& line) noexcept;
    /// Has the queue's loop take a turn.
    void wake() noexcept;

    [[nodiscard]] bool is_empty() const noexcept {
        return !filled_.load(std::memory_order_acquire);
    }
    [[nodiscard]] Contents take() noexcept;
    [[nodiscard]] int event_fd() const noexcept { return event_fd_; }

  private:
    void wake(const std::lock_guard<std::mutex>&) noexcept;

    int event_fd_;
    std::atomic<bool> filled_ = false;
    std::mutex lock_;
    Contents contents_;  // under lock_
};

}  // namespace zonebridge::sequencer
