// The order of sweeps, the actions on many zones, among all requests of a device. Sweeps have
// numbers in order of arrival and run one at a time. What was accepted before a sweep goes first;
// what came later waits, in its zones.
//
// Threads: any.
// Ownership: borrows the sweeps' nodes until they are removed.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

#include "transports/list.h"

namespace zonebridge::sequencer {

struct Node;

class Sweeps {
  public:
    /// Sweeps accepted so far: the order of a request that is accepted now. Read it under a line's
    /// lock: a sweep that is not counted has yet to look at that line.
    [[nodiscard]] std::uint64_t accepted() const noexcept {
        return accepted_.load(std::memory_order_acquire);
    }
    /// Whether a request of that order must wait for a sweep of its zone that is yet to end.
    [[nodiscard]] bool block(std::uint32_t zone, std::uint64_t order) noexcept {
        return order > ended_.load(std::memory_order_acquire) && is_swept(zone, order);
    }

    /// Gives the sweep its number.
    void add(Node& sweep) noexcept;
    /// The sweep whose turn it is; null where there is none.
    [[nodiscard]] Node* first() noexcept;
    /// Takes a sweep out, ended or withdrawn, and wakes the first that is left. Lines parked for it
    /// are the caller's to take up.
    void remove(Node& sweep) noexcept;
    /// Wakes the queue of the first sweep, which may be able to go on.
    void wake_first() noexcept;

  private:
    [[nodiscard]] bool is_swept(std::uint32_t zone, std::uint64_t order) noexcept;

    std::atomic<std::uint64_t> accepted_ = 0;
    std::atomic<std::uint64_t> ended_ = 0;  // all up to this number
    std::mutex lock_;
    List<Node> pending_;  // under lock_
};

}  // namespace zonebridge::sequencer
