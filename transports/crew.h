// A few threads for what can only be done by blocking: ioctls, SG_IO. Jobs go to any of them in no
// order; their ends come back through the loop, many by one wake-up.
//
// Threads: everything but Job::run belongs to the loop's thread.
// Ownership: borrows its loop and its jobs, which stay where they are from hand() to done(); owns
// its threads.
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
        /// On one of the crew's threads; may block.
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

    /// `threads`: at least 1 is started. Fails where the system has no more threads or descriptors.
    [[nodiscard]] static tl::expected<std::unique_ptr<Crew>, Error> start(Loop& loop,
                                                                          unsigned threads);
    Crew(Private, Loop& loop, int event_fd);  // by start()
    Crew(const Crew&) = delete;
    Crew& operator=(const Crew&) = delete;
    /// Drops the jobs nobody began, without done(); waits for the others, without done().
    ~Crew();

    /// Never blocks and never allocates.
    void hand(Job& job) noexcept;
    /// Jobs handed over whose done() was not called yet.
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
