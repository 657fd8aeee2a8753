// Closed while the workers of a device answer the requests that an earlier server took: until then
// no worker takes new ones. A new request may concern a zone, or a command, that a recovered
// request on another worker concerns.
//
// Threads: any.
// Ownership: shared by the workers' paths.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <utility>

namespace zonebridge::service {

class RecoveryGate {
  public:
    /// Opens when arrive() was called `workers` times. The last call runs `opened`.
    RecoveryGate(std::size_t workers, std::function<void()> opened)
        : left_(workers), opened_(std::move(opened)) {}

    [[nodiscard]] bool open() const noexcept { return left_.load(std::memory_order_acquire) == 0; }
    void arrive() {
        if (left_.fetch_sub(1, std::memory_order_acq_rel) == 1) opened_();
    }

  private:
    std::atomic<std::size_t> left_;
    std::function<void()> opened_;
};

}  // namespace zonebridge::service
