// A logical unit that stays while the disk behind it is closed and opened again: the guest's
// commands wait meanwhile, and none is lost.
//
// Threads: as zbc/logical_unit.h; pause() and resume() belong to one thread that runs none of the
// loops, and need the loops to turn.
// Ownership: borrows the unit behind it; its task queues borrow it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include <tl/expected.hpp>

#include "zbc/logical_unit.h"
#include "zone/loop.h"
#include "zone/status.h"

namespace zonebridge::service {

class SteadyUnit final : public zbc::LogicalUnit {
  public:
    explicit SteadyUnit(zbc::LogicalUnit& behind);
    SteadyUnit(const SteadyUnit&) = delete;
    SteadyUnit& operator=(const SteadyUnit&) = delete;
    /// Requires that all task queues are closed.
    ~SteadyUnit() override;

    [[nodiscard]] zbc::TransferLimits transfer_limits() const noexcept override { return limits_; }
    [[nodiscard]] tl::expected<std::unique_ptr<zbc::TaskQueue>, Error> open_queue(
        Loop& loop, std::size_t depth) override;
    void reset() noexcept override;
    void continue_initiator() noexcept override;
    void raise(zbc::Attention attention) noexcept override;

    /// Takes no more tasks (they wait in their queues), waits until those in flight are answered,
    /// and releases the unit behind. An error if they are not answered within `limit`: the unit
    /// then goes on as before.
    [[nodiscard]] tl::expected<void, Error> pause(std::chrono::milliseconds limit);
    /// Goes on with `behind`. An error if `behind` takes less in one command than the unit before,
    /// or opens no queue: the unit stays paused and does not use `behind`; the caller may try
    /// another, or remove the unit.
    [[nodiscard]] tl::expected<void, Error> resume(zbc::LogicalUnit& behind);
    /// Tasks taken so far, on all queues; shows whether the guest still uses the unit.
    [[nodiscard]] std::uint64_t taken() const;

  private:
    class Queue;

    /// Runs `call` for each queue on its loop's thread, in parallel, and waits for all.
    void on_all(const std::function<void(Queue&)>& call);

    const zbc::TransferLimits limits_;
    mutable std::mutex lock_;
    zbc::LogicalUnit* behind_;      // under lock_; null: paused
    std::vector<Queue*> queues_;    // under lock_
    std::uint64_t taken_before_{};  // under lock_: on closed queues
};

}  // namespace zonebridge::service
