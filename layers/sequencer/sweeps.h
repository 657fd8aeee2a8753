// Orders sweeps, which are actions on many zones, among all requests of a device. Sweeps are
// numbered in order of arrival and run one at a time. Earlier requests go before a sweep; later
// ones wait in its zones.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

#include "base/list.h"

namespace zonebridge::sequencer {

struct Node;

class Sweeps {
  public:
    /// Number of sweeps accepted so far: the order of a request accepted now. Read it under a
    /// line's lock: a sweep not yet counted has yet to check that line.
    [[nodiscard]] std::uint64_t accepted() const noexcept {
        return accepted_.load(std::memory_order_acquire);
    }
    /// Whether a request of that order must wait for a pending sweep of its zone.
    [[nodiscard]] bool block(std::uint32_t zone, std::uint64_t order) noexcept {
        return order > ended_.load(std::memory_order_acquire) && is_swept(zone, order);
    }

    /// Gives the sweep its number.
    void add(Node& sweep) noexcept;
    /// The sweep whose turn it is; null if there is none.
    [[nodiscard]] Node* first() noexcept;
    /// Removes a sweep, ended or withdrawn, and wakes the next first one. The caller takes up the
    /// lines parked for it.
    void remove(Node& sweep) noexcept;
    /// Wakes the queue of the first sweep, which may be able to go on.
    void wake_first() noexcept;

  private:
    [[nodiscard]] bool is_swept(std::uint32_t zone, std::uint64_t order) noexcept;

    std::atomic<std::uint64_t> accepted_ = 0;
    std::atomic<std::uint64_t> ended_ = 0;  // every sweep up to this number has ended
    std::mutex lock_;
    List<Node> pending_;  // under lock_
};

}  // namespace zonebridge::sequencer
