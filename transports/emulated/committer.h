// The one thread that makes an open disk durable: everybody who waits shares a commit, and what a
// commit set free is punched afterwards, when nobody waits.
//
// Threads: safe from any thread but stop(), which belongs to whoever closes the disk.
// Ownership: owns its thread; borrows its Work until stop(), and wakers until they are removed.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace zonebridge::emulated {

class Committer {
  public:
    /// What is done on the thread.
    class Work {
      public:
        /// Makes everything durable that was done before the call; 0 or an errno.
        virtual int commit() noexcept = 0;
        /// Punches a little of what commits set free; false when nothing is left.
        virtual bool reclaim() noexcept = 0;
        /// Something waits for a commit that nobody asks for.
        virtual bool wants_commit() noexcept = 0;

      protected:
        ~Work() = default;
    };

    /// Told through its eventfd, once, of the next thing that ends: set `waiting` before looking
    /// at durable(), reclaimed() and failure(), and no end is missed.
    struct Waker {
        int event_fd = -1;
        std::atomic<bool> waiting = false;
    };

    /// `idle_commit`: how long a freed slot waits for a commit that nobody asks for.
    Committer(Work& work, std::optional<std::chrono::milliseconds> idle_commit);
    ~Committer() { stop(); }
    Committer(const Committer&) = delete;
    Committer& operator=(const Committer&) = delete;

    /// Asks for a commit that covers everything done before this call. The number names it.
    std::uint64_t request() noexcept;
    /// The newest commit that has begun; when all that matters is covered already.
    [[nodiscard]] std::uint64_t begun() const noexcept;

    /// The newest commit that is durable.
    [[nodiscard]] std::uint64_t durable() const noexcept;
    /// The newest commit whose freed slots are all punched.
    [[nodiscard]] std::uint64_t reclaimed() const noexcept;
    /// The errno that ended all committing; absent while all is well.
    [[nodiscard]] std::optional<int> failure() const noexcept;

    void add(Waker& waker);
    void remove(Waker& waker) noexcept;

    /// Waits for the commit; 0 or the errno that prevented it.
    [[nodiscard]] int wait(std::uint64_t commit) noexcept;
    /// Waits until nothing is under way or asked for, punching included.
    void wait_idle() noexcept;

    /// Ends the thread after what it is doing. Punching that is left is not done.
    void stop() noexcept;

  private:
    void run() noexcept;
    void wake_all() noexcept;

    Work& work_;
    const std::optional<std::chrono::milliseconds> idle_commit_;
    mutable std::mutex lock_;
    std::condition_variable asked_;
    std::condition_variable ended_;
    std::uint64_t started_ = 0;
    std::uint64_t wanted_ = 0;
    std::uint64_t durable_ = 0;
    std::uint64_t reclaimed_ = 0;
    std::atomic<int> failure_ = 0;  // an errno; written under lock_
    bool stopping_ = false;
    bool busy_ = false;
    bool reclaim_left_ = true;
    std::vector<Waker*> wakers_;
    std::thread thread_;  // last: it uses all of the above
};

}  // namespace zonebridge::emulated
