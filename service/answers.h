// What some threads owe to one thread that waits for it: a value from each, or only the news that each has
// done its part.
//
// A std::promise or std::latch on the waiting thread's stack would not do: the waiting thread may return,
// and end the object, while the thread that answers is still inside set_value() or count_down(), which the
// standard forbids. Here the state is shared, and the last of them ends it. So a waiting thread may also
// leave before everything was given; answers that come later go nowhere.
//
// Threads: give() belongs to any thread, wait() to one.
// Ownership: copies share one state. Threads that answer keep a copy, never a reference.
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

/// An answer that says nothing but that it is there.
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

    /// All of them, in the order in which they came. Once.
    [[nodiscard]] std::vector<T> wait() const {
        std::unique_lock guard(state_->lock);
        state_->complete.wait(guard, [this] { return all_given(); });
        return std::move(state_->given);
    }
    /// As wait(), or nothing if they are not all there at `until`; it may be tried again then.
    [[nodiscard]] std::optional<std::vector<T>> wait_until(
        std::chrono::steady_clock::time_point until) const {
        std::unique_lock guard(state_->lock);
        if (!state_->complete.wait_until(guard, until, [this] { return all_given(); }))
            return std::nullopt;
        return std::move(state_->given);
    }
    /// The only one, where one is owed. Once.
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
