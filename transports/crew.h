// A small thread pool for blocking calls: ioctls, SG_IO. Jobs run on any thread in no order; their
// completions come back through the loop, many for one wake-up.
//
// Threads: everything but Job::run belongs to the loop's thread.
// Ownership: borrows its loop and its jobs, which must not move from hand() to done(); owns its
// threads.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/list.h"
#include "zone/loop.h"

namespace zonebridge {

class Crew final : private Watcher {
    struct Private {};

  public:
    class Job {
      public:
        /// On one of the pool's threads; may block.
        virtual void run() noexcept = 0;
        /// On the loop's thread, after run.
        virtual void done() noexcept = 0;

      protected:
        ~Job() = default;

      private:
        friend class Crew;
        friend struct List<Job>;
        Job* next = nullptr;
    };

    /// `threads`: at least 1 is started. Fails if the system has no more threads or descriptors.
    [[nodiscard]] static tl::expected<std::unique_ptr<Crew>, Error> start(Loop& loop,
                                                                          unsigned threads);
    Crew(Private, Loop& loop, int event_fd);  // by start()
    Crew(const Crew&) = delete;
    Crew& operator=(const Crew&) = delete;
    /// Drops jobs that no thread has begun and waits for the others; calls done() for none.
    ~Crew();

    /// Never blocks and never allocates.
    void hand(Job& job) noexcept;
    /// Jobs handed over whose done() has not been called.
    [[nodiscard]] std::size_t in_hand() const noexcept { return in_hand_; }

  private:
    void work() noexcept;
    void on_ready() override;

    Loop& loop_;
    int event_fd_;
    std::size_t in_hand_ = 0;

    std::mutex lock_;
    std::condition_variable wanted_;
    List<Job> todo_;     // under lock_
    List<Job> done_;     // under lock_
    bool over_ = false;  // under lock_
    std::vector<std::thread> threads_;
};

}  // namespace zonebridge
