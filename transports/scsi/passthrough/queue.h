// One thread's queue of tasks to a passed-through disk: each command is planned, waits for its turn
// at its zones, goes to the disk, and its answer is returned.
//
// Threads: belongs to its loop's thread.
// Ownership: borrows its loop and the disk's facts; owns its jobs, its threads and its own sg node.
//
// A command with one flat buffer goes through the ring if the kernel takes SCSI commands there; all
// others go to threads that block. Commands that may take long have threads of their own, so that
// they never delay the others.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "base/ring_buffer.h"
#include "transports/bounce.h"
#include "transports/loop_thread_pool.h"
#include "transports/ring.h"
#include "transports/scsi/discover.h"
#include "transports/scsi/passthrough/order.h"
#include "transports/scsi/passthrough/refusals.h"
#include "transports/scsi/route.h"
#include "zbc/logical_unit.h"
#include "zbc/passthrough.h"
#include "zbc/unit_state.h"

namespace zonebridge::scsi {

/// Shared by all queues of a passed-through disk. Immutable, except for thread-safe members.
struct PassedFacts {
    const DiskFacts& disk;
    const zbc::PassthroughFacts facts;
    const zbc::Allowed allowed;
    RefusalSink* refusals;
    zbc::Attentions attentions;
    PassthroughLog notes;
};

class PassedQueue final : public zbc::TaskQueue, private Issuer, private ZoneOrder::Listener {
    struct Private {};

  public:
    /// Threads of one queue: for commands that take a disk seconds at most, minutes (a flush,
    /// FINISH), and longer (FINISH of all, FORMAT). One open of an sg node carries at most 16
    /// commands.
    static constexpr std::size_t quick_threads = 8;
    static constexpr std::size_t slow_threads = 2;
    static constexpr std::size_t endless_threads = 2;
    static constexpr std::size_t most_threads = quick_threads + slow_threads + endless_threads;

    [[nodiscard]] static tl::expected<std::unique_ptr<zbc::TaskQueue>, Error> open(
        Loop& loop, PassedFacts& facts, DataWay way, std::size_t depth);
    PassedQueue(Private, Loop& loop, PassedFacts& facts, DataWay way,
                std::size_t depth);  // by open()
    ~PassedQueue() override;

    std::size_t submit(std::span<const zbc::Task> tasks) noexcept override;
    std::size_t reap(std::span<zbc::TaskResult> out) noexcept override;
    std::size_t depth() const noexcept override { return jobs_.size(); }

  private:
    class Job;
    using Index = std::uint32_t;

    void begin(Job& job, const zbc::Task& task) noexcept;
    [[nodiscard]] bool report_attention(Job& job, const zbc::Task& task) noexcept;
    void may_go(ZoneOrder::Entry& entry) noexcept override;
    void issue() noexcept override;
    [[nodiscard]] bool start_in_ring(Job& job) noexcept;
    [[nodiscard]] LoopThreadPool& pool_for(const Job& job) noexcept;
    void finish(Job& job) noexcept;

    // Called on any thread.
    void send(Job& job) noexcept;
    void send_and_edit(Job& job) noexcept;
    void conclude(Job& job) noexcept;

    PassedFacts& facts_;
    Loop& loop_;
    DataWay way_;
    Ring* ring_;
    std::size_t in_ring_ = 0;
    ZoneOrder order_;

    std::mutex lock_;
    BouncePool replies_;  // under lock_; one buffer for each thread

    // All with capacity for depth() from the start.
    std::vector<std::unique_ptr<Job>> jobs_;
    std::vector<Index> idle_;
    std::vector<Job*> fresh_;
    RingBuffer<std::uint32_t> done_;

    // Last: their threads end before the jobs are destroyed.
    std::unique_ptr<LoopThreadPool> quick_;
    std::unique_ptr<LoopThreadPool> slow_;
    std::unique_ptr<LoopThreadPool> endless_;
};

}  // namespace zonebridge::scsi
