// A queue to an emulated disk. Requests are processed when the loop is about to enter the kernel,
// so that all of a turn's requests are known and contiguous ones are joined.
//
// Threads: belongs to its loop's thread.
// Ownership: borrows its loop and the disk; owns its jobs and its eventfd.
#pragma once

#include <memory>
#include <vector>

#include "base/unique_fd.h"
#include "transports/emulated/clear_job.h"
#include "transports/emulated/disk.h"
#include "transports/emulated/read_job.h"
#include "transports/emulated/writer.h"
#include "zone/loop.h"
#include "zone/transport.h"

namespace zonebridge::emulated {

class DiskQueue final : public Queue,
                        private Issuer,
                        private Watcher,
                        private ReadJob::Owner,
                        private ClearJob::Owner {
    struct Private {};

  public:
    [[nodiscard]] static tl::expected<std::unique_ptr<Queue>, Error> open(Loop& loop, Disk& disk,
                                                                          std::size_t depth);
    DiskQueue(Private, Loop& loop, Disk& disk, std::size_t depth, UniqueFd event);  // by open()
    ~DiskQueue() override;

  private:
    /// Done except for being durable: a flush, or a write with FUA.
    struct Waiting {
        Completion completion;
        std::uint64_t commit = 0;
    };
    /// A write that found no room in the ledger, or no free space.
    struct Parked {
        Request request;
        Disk::Grant::Wait wait = Disk::Grant::Wait::nothing;
        std::uint64_t commit = 0;
        bool may_wait = true;
    };

    void accept(std::span<const Request> requests) noexcept override;
    std::size_t collect(std::span<Completion> out) noexcept override;
    void issue() noexcept override;
    void on_ready() override;
    void read_ended(ReadJob& job) noexcept override;
    void clear_ended(ClearJob& job) noexcept override;

    void process(std::span<const Request> batch, bool may_wait) noexcept;
    std::size_t write(std::span<const Request> batch, bool may_wait) noexcept;
    template <typename Job>
    void start(std::vector<Job*>& idle, const Request& request) noexcept;
    template <typename Job>
    void ended(std::vector<Job*>& idle, Job& job) noexcept;
    void act(const Request& request) noexcept;
    void changed(const Completion& completion) noexcept;
    void finish(const Completion& completion) noexcept;
    void wait_for_commit(const Completion& completion) noexcept;
    void request_commit() noexcept;
    [[nodiscard]] bool behind_parked(const Request& request) const noexcept;
    void look_at_commits() noexcept;

    Disk& disk_;
    Writer writer_;
    Committer::Waker waker_;
    bool look_again_ = false;
    std::size_t in_kernel_ = 0;  // reads and clears in the kernel

    // All with capacity for depth() from the start.
    std::vector<Request> fresh_;
    std::vector<Request> batch_;
    std::vector<Waiting> waiting_;
    std::size_t unrequested_ = 0;  // the last ones of waiting_, which have no commit yet
    std::vector<Parked> parked_;
    std::vector<Parked> retrying_;
    RingBuffer<Completion> done_;
    std::vector<Writer::Outcome> outcomes_;
    std::vector<ReadJob> reads_;
    std::vector<ReadJob*> idle_reads_;
    std::vector<ClearJob> clears_;
    std::vector<ClearJob*> idle_clears_;
};

}  // namespace zonebridge::emulated
