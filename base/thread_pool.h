// A few threads for calls that block, such as ioctls and SG_IO. Any thread may take any job, in no
// order.
//
// Threads: everything but Job::run belongs to one thread, which calls complete() when fd() is
// readable.
// Ownership: borrows its jobs, which stay where they are from submit() to done(); owns its threads.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <tl/expected.hpp>

#include "base/list.h"
#include "base/unique_fd.h"

namespace zonebridge {

class ThreadPool {
    struct Private {};

  public:
    class Job {
      public:
        /// On one of the pool's threads; may block.
        virtual void run() noexcept = 0;
        /// After run, on the thread that calls complete().
        virtual void done() noexcept = 0;

      protected:
        ~Job() = default;

      private:
        friend class ThreadPool;
        friend struct List<Job>;
        Job* next = nullptr;
    };

    /// `threads`: at least 1 is started. The error is an errno: the system has no more threads or
    /// descriptors.
    [[nodiscard]] static tl::expected<std::unique_ptr<ThreadPool>, int> start(unsigned threads);
    ThreadPool(Private, UniqueFd event);  // by start()
    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;
    /// Drops the jobs that no thread began, without done(); waits for the others, without done().
    ~ThreadPool();

    /// Never blocks and never allocates.
    void submit(Job& job) noexcept;
    /// Jobs submitted whose done() was not called yet.
    [[nodiscard]] std::size_t in_flight() const noexcept { return in_flight_; }

    /// An eventfd, written when a job has ended and complete() has taken all that ended before. Its
    /// count means nothing and need not be read by who watches for edges.
    [[nodiscard]] int fd() const noexcept { return event_.get(); }
    /// Calls done() of the jobs that have ended.
    void complete() noexcept;

  private:
    void work() noexcept;

    UniqueFd event_;
    std::size_t in_flight_ = 0;

    std::mutex lock_;
    std::condition_variable wanted_;
    List<Job> pending_;  // under lock_
    List<Job> done_;     // under lock_
    bool over_ = false;  // under lock_
    std::vector<std::thread> threads_;
};

}  // namespace zonebridge
