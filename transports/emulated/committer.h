// The one thread that makes an open disk durable: all waiting requests share a commit, and the
// space that commits freed is punched afterwards, when no request waits.
//
// Threads: safe from any thread, except stop(), which belongs to the code that closes the disk.
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

#include "base/unique_fd.h"

namespace zonebridge::emulated {

class Committer {
  public:
    /// How a commit ended.
    struct Ended {
        int error = 0;           ///< 0 or an errno.
        bool may_retry = false;  ///< Nothing is lost: a later commit may succeed.
    };

    /// The work that the thread does.
    class Work {
      public:
        /// Makes everything done before the call durable.
        virtual Ended commit() noexcept = 0;
        /// Punches part of the space that commits freed; false when none is left.
        virtual bool reclaim() noexcept = 0;
        /// Whether a slot waits for a commit that no request has asked for.
        virtual bool wants_commit() noexcept = 0;

      protected:
        ~Work() = default;
    };

    /// Signalled once, through its eventfd, when the next commit or punching ends. To miss no end,
    /// set `waiting` before reading state().
    struct Waker {
        UniqueFd event;
        std::atomic<bool> waiting = false;
    };

    /// `idle_commit`: how long a freed slot waits for a commit that no request asks for.
    Committer(Work& work, std::optional<std::chrono::milliseconds> idle_commit);
    ~Committer() { stop(); }
    Committer(const Committer&) = delete;
    Committer& operator=(const Committer&) = delete;

    /// Asks for a commit that covers everything done before this call; returns its number.
    std::uint64_t request() noexcept;
    /// The newest commit that has begun; to wait for if it covers every change already.
    [[nodiscard]] std::uint64_t begun() const noexcept;

    struct State {
        std::uint64_t durable = 0;    ///< The newest commit that is durable.
        std::uint64_t reclaimed = 0;  ///< The newest commit whose freed slots are all punched.
        std::uint64_t ended = 0;      ///< The newest commit that ended, durable or not.
        int error = 0;                ///< Of that commit, if it is not durable.

        /// 0 or an errno; absent if the commit has not ended.
        [[nodiscard]] std::optional<int> result(std::uint64_t commit) const noexcept {
            if (commit <= durable) return 0;
            if (commit <= ended) return error;
            return std::nullopt;
        }
    };
    /// Once committing has failed for good, no commit is pending.
    [[nodiscard]] State state() const noexcept;
    /// The errno that ended all committing; absent if there was no failure.
    [[nodiscard]] std::optional<int> failure() const noexcept;

    void add(Waker& waker);
    void remove(Waker& waker) noexcept;

    /// Waits for the commit; 0 or the errno that prevented it.
    [[nodiscard]] int wait(std::uint64_t commit) noexcept;
    /// Waits until no commit or punching is running or requested, so that a test can repeat a run: the
    /// first punching has no number.
    void wait_idle() noexcept;

    /// Ends the thread after its current work. Remaining punching is not done.
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
    State state_;
    std::atomic<int> failure_ = 0;  // an errno; written under lock_
    bool stopping_ = false;
    bool busy_ = false;
    bool reclaim_left_ = true;
    std::vector<Waker*> wakers_;
    std::thread thread_;  // last: it uses all members above
};

}  // namespace zonebridge::emulated
