// A small thread pool for blocking calls, such as ioctls and SG_IO. Jobs run on any thread in no
// order.
//
// Threads: everything but Job::run belongs to one thread, which calls complete() when fd() is
// readable.
// Ownership: borrows its jobs, which must not move from submit() to done(); owns its threads.
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
    /// Drops jobs that no thread has begun and waits for the others; calls done() for none.
    ~ThreadPool();

    /// Never blocks and never allocates.
    void submit(Job& job) noexcept;
    /// Jobs submitted whose done() has not been called.
    [[nodiscard]] std::size_t in_flight() const noexcept { return in_flight_; }

    /// An eventfd, written when a job has ended and complete() has taken all earlier ones. Its
    /// count has no meaning, and an edge-triggered watch need not read it.
    [[nodiscard]] int fd() const noexcept { return event_.get(); }
    /// Calls done() for the jobs that have ended.
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
