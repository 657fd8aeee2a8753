// A queue's inbox for other threads: its own requests that ended elsewhere, and lines that it now
// holds.
//
// Threads: receive() and wake() may be called from any thread; the rest belongs to the queue's
// thread.
#pragma once

#include <atomic>
#include <mutex>
#include <utility>

#include "base/list.h"
#include "base/unique_fd.h"

namespace zonebridge::sequencer {

struct Line;
struct Node;

class Inbox {
  public:
    struct Contents {
        List<Node> nodes;
        List<Line> lines;
    };

    /// `event` becomes readable when the inbox was filled.
    explicit Inbox(UniqueFd event) noexcept : event_(std::move(event)) {}
    Inbox(const Inbox&) = delete;
    Inbox& operator=(const Inbox&) = delete;

    /// One of the queue's own requests, which has ended.
    void receive(Node& node) noexcept;
    /// A line that the queue now holds. Only while one of the queue's requests is pending there,
    /// and under that line's lock.
    void receive(Line& line) noexcept;
    /// Makes the queue's loop take a turn.
    void wake() noexcept;

    [[nodiscard]] bool is_empty() const noexcept {
        return !filled_.load(std::memory_order_acquire);
    }
    [[nodiscard]] Contents take() noexcept;
    [[nodiscard]] int event_fd() const noexcept { return event_.get(); }

  private:
    void wake(const std::lock_guard<std::mutex>&) noexcept;

    UniqueFd event_;
    std::atomic<bool> filled_ = false;
    std::mutex lock_;
    Contents contents_;  // under lock_
};

}  // namespace zonebridge::sequencer
