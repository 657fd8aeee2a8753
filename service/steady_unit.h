// A logical unit that stays while the disk behind it is closed and opened again: a guest's commands wait
// meanwhile, and none is lost.
//
// Threads: as zbc/logical_unit.h; pause() and resume() belong to one thread, which is none of the
// loops', while those turn.
// Ownership: borrows the unit behind it; its task queues borrow it.
#pragma once

#include <atomic>
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
    /// All task queues are closed.
    ~SteadyUnit() override;

    [[nodiscard]] zbc::TransferLimits transfer_limits() const noexcept override { return limits_; }
    [[nodiscard]] tl::expected<std::unique_ptr<zbc::TaskQueue>, Error> open_queue(
        Loop& loop, std::size_t depth) override;
    void reset() noexcept override;
    void raise(zbc::Attention attention) noexcept override;

    /// Takes no more tasks (they wait where they are), waits until those under way are answered, and lets
    /// go of the unit behind.
    void pause();
    /// Goes on with `behind`. An error, if it takes less in one command than the one before, or opens no
    /// queue: still paused then, and `behind` is not used; it may be tried again with another, or the
    /// unit be taken out.
    [[nodiscard]] tl::expected<void, Error> resume(zbc::LogicalUnit& behind);
    /// Tasks taken so far, on all queues; for who wants to know whether the guest still uses it.
    [[nodiscard]] std::uint64_t taken() const;

  private:
    class Queue;

    /// Runs `call` for each queue on its loop's thread, side by side, and waits for all.
    void on_all(const std::function<void(Queue&)>& call);

    const zbc::TransferLimits limits_;
    mutable std::mutex lock_;
    zbc::LogicalUnit* behind_;      // under lock_; null: paused
    std::vector<Queue*> queues_;    // under lock_
    std::uint64_t taken_before_{};  // under lock_: on queues that are closed
};

}  // namespace zonebridge::service
