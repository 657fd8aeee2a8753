// A zone report, a zone action or a device's discard: ioctls that block, on the queue's thread
// pool.
//
// Threads: begin() and done() on the queue's thread, run() on a thread of the pool.
// Ownership: borrows the disk, its owner and the request's zones; owns its report buffer.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/thread_pool.h"
#include "transports/block/disk.h"
#include "transports/block/zones.h"
#include "zone/request.h"

namespace zonebridge::block {

class ControlJob final : public ThreadPool::Job {
  public:
    class Owner {
      public:
        virtual void control_ended(ControlJob& job) noexcept = 0;

      protected:
        ~Owner() = default;
    };

    /// `over`: the queue is being closed; the job then stops before the next zone.
    ControlJob(const KernelDisk& disk, Owner& owner, const std::atomic<bool>& over);

    void begin(const Request& request) noexcept;
    void run() noexcept override;
    void done() noexcept override { owner_.control_ended(*this); }

    [[nodiscard]] const Completion& completion() const noexcept { return completion_; }

  private:
    [[nodiscard]] Status discard() noexcept;
    [[nodiscard]] Status report() noexcept;
    [[nodiscard]] Status act_on_range() noexcept;
    [[nodiscard]] Status reset_all() noexcept;
    [[nodiscard]] Status act(Operation operation, const Zone& zone) noexcept;
    /// Calls `visit` (Zone -> Status) for at most `most` zones in order, until one is not ok.
    template <typename Visit>
    [[nodiscard]] Status for_each_zone(std::uint64_t from, std::size_t most, Visit visit) noexcept;

    const KernelDisk& disk_;
    Owner& owner_;
    const std::atomic<bool>& over_;
    ReportBuffer buffer_;
    Request request_;
    Completion completion_;
};

}  // namespace zonebridge::block
