// A queue to a block device: data goes through the ring, blocking calls run on a small thread pool.
//
// Threads: belongs to its loop's thread.
// Ownership: borrows its loop and the disk; owns its jobs, its thread pool and its bounce buffers.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <vector>

#include "transports/block/control_job.h"
#include "transports/block/data_job.h"
#include "transports/block/disk.h"
#include "transports/bounce.h"
#include "transports/loop_thread_pool.h"
#include "transports/ring.h"
#include "zone/transport.h"

namespace zonebridge::block {

class BlockQueue final : public Queue,
                         private Issuer,
                         private DataJob::Owner,
                         private ControlJob::Owner {
    struct Private {};

  public:
    [[nodiscard]] static tl::expected<std::unique_ptr<Queue>, Error> open(Ring& ring,
                                                                          const KernelDisk& disk,
                                                                          std::size_t depth);
    BlockQueue(Private, Ring& ring, const KernelDisk& disk, std::size_t depth);  // by open()
    ~BlockQueue() override;

  private:
    void accept(std::span<const Request> requests) noexcept override;
    std::size_t collect(std::span<Completion> out) noexcept override;
    void issue() noexcept override;
    void data_ended(DataJob& job) noexcept override;
    void data_must_wait(DataJob& job) noexcept override;
    void control_ended(ControlJob& job) noexcept override;

    void start(const Request& request) noexcept;
    void start_data(const Request& request) noexcept;
    void start_control(const Request& request) noexcept;
    void finish(const Completion& completion) noexcept;

    Ring& ring_;
    const KernelDisk& disk_;
    BouncePool bounces_;
    std::atomic<bool> over_{false};
    std::size_t in_ring_ = 0;

    // All with capacity for depth() from the start.
    std::vector<DataJob> data_jobs_;
    std::vector<DataJob*> idle_data_;
    std::vector<DataJob*> unissued_;  // the ring had no free entry
    std::vector<DataJob*> retrying_;
    std::vector<Request> bounce_waiters_;   // oldest first
    std::vector<Request> control_waiters_;  // oldest first
    RingBuffer<Completion> done_;

    std::vector<ControlJob*> idle_control_;
    std::vector<std::unique_ptr<ControlJob>> control_jobs_;
    std::unique_ptr<LoopThreadPool> pool_;  // last: its threads end before the members they use
};

}  // namespace zonebridge::block
