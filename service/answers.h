// Collects one answer from each of several threads for one thread that waits for them.
//
// A std::promise or std::latch on the waiting thread's stack would not do: the waiting thread may
// return and destroy the object while an answering thread is still inside set_value() or
// count_down(), which the standard forbids. Here the threads share the state, and the last holder
// frees it. A waiting thread may also leave before every answer is given; later answers are
// dropped.
//
// Threads: give() may be called on any thread, the wait functions on one.
// Ownership: copies share one state. Answering threads keep a copy, never a reference.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace zonebridge::service {

/// An answer without a value.
struct Done {};

template <typename T>
class Answers {
  public:
    /// `owed`: how often give() will be called.
    explicit Answers(std::size_t owed) : state_(std::make_shared<State>()) {
        state_->given.reserve(owed);
        state_->owed = owed;
    }

    void give(T answer) const {
        const std::lock_guard guard(state_->lock);
        state_->given.push_back(std::move(answer));
        if (state_->given.size() == state_->owed) state_->complete.notify_all();
    }

    /// Waits for all answers and returns them in the order in which they came. Call it once.
    [[nodiscard]] std::vector<T> wait() const {
        std::unique_lock guard(state_->lock);
        state_->complete.wait(guard, [this] { return all_given(); });
        return std::move(state_->given);
    }
    /// As wait(), but gives up at `until` and returns nothing; the caller may try again.
    [[nodiscard]] std::optional<std::vector<T>> wait_until(
        std::chrono::steady_clock::time_point until) const {
        std::unique_lock guard(state_->lock);
        if (!state_->complete.wait_until(guard, until, [this] { return all_given(); }))
            return std::nullopt;
        return std::move(state_->given);
    }
    /// For `owed` = 1: waits for the only answer. Call it once.
    [[nodiscard]] T wait_for_one() const { return std::move(wait().front()); }

  private:
    struct State {
        std::mutex lock;
        std::condition_variable complete;
        std::vector<T> given;  // under lock
        std::size_t owed = 0;
    };

    [[nodiscard]] bool all_given() const { return state_->given.size() == state_->owed; }

    std::shared_ptr<State> state_;
};

}  // namespace zonebridge::service
