#include "transports/emulated/committer.h"

#include <algorithm>
#include <cerrno>
#include <limits>

#include "base/thread.h"

namespace zonebridge::emulated {

Committer::Committer(Work& work, std::optional<std::chrono::milliseconds> idle_commit)
    : work_(work),
      idle_commit_(idle_commit),
      thread_(start_thread("zb-commit", [this] { run(); })) {}

std::uint64_t Committer::request() noexcept {
    const std::lock_guard guard(lock_);
    wanted_ = started_ + 1;
    asked_.notify_one();
    return wanted_;
}

std::uint64_t Committer::begun() const noexcept {
    const std::lock_guard guard(lock_);
    return started_;
}

Committer::State Committer::state() const noexcept {
    const std::lock_guard guard(lock_);
    auto state = state_;
    if (failure_ != 0) {
        state.ended = std::numeric_limits<std::uint64_t>::max();
        state.error = failure_;
    }
    return state;
}

std::optional<int> Committer::failure() const noexcept {
    const auto error = failure_.load();
    if (error == 0) return std::nullopt;
    return error;
}

void Committer::add(Waker& waker) {
    const std::lock_guard guard(lock_);
    wakers_.push_back(&waker);
}

void Committer::remove(Waker& waker) noexcept {
    const std::lock_guard guard(lock_);
    std::erase(wakers_, &waker);
}

int Committer::wait(std::uint64_t commit) noexcept {
    std::unique_lock guard(lock_);
    ended_.wait(guard, [&] { return state_.ended >= commit || failure_ != 0 || stopping_; });
    if (const auto result = state_.result(commit)) return *result;
    const auto error = failure_.load();
    return error != 0 ? error : ECANCELED;
}

void Committer::wait_idle() noexcept {
    std::unique_lock guard(lock_);
    ended_.wait(guard, [&] {
        return stopping_ || failure_ != 0 || (!busy_ && wanted_ <= started_ && !reclaim_left_);
    });
}

void Committer::stop() noexcept {
    {
        const std::lock_guard guard(lock_);
        stopping_ = true;
        asked_.notify_one();
        ended_.notify_all();
    }
    if (thread_.joinable()) thread_.join();
}

void Committer::run() noexcept {
    std::unique_lock guard(lock_);
    while (!stopping_) {
        if (failure_ != 0) {
            asked_.wait(guard, [&] { return stopping_; });
        } else if (wanted_ > started_) {
            const auto number = ++started_;
            busy_ = true;
            guard.unlock();
            const auto ended = work_.commit();
            guard.lock();
            busy_ = false;
            reclaim_left_ = true;
            state_.ended = number;
            state_.error = ended.error;
            if (ended.error == 0)
                state_.durable = number;
            else if (!ended.may_retry)
                failure_ = ended.error;
            wake_all();
        } else if (reclaim_left_) {
            busy_ = true;
            guard.unlock();
            const auto more = work_.reclaim();
            guard.lock();
            busy_ = false;
            reclaim_left_ = more;
            if (!more) {
                state_.reclaimed = state_.durable;
                wake_all();
            }
        } else if (idle_commit_) {
            if (!asked_.wait_for(guard, *idle_commit_,
                                 [&] { return stopping_ || wanted_ > started_; })) {
                guard.unlock();
                const auto wanted = work_.wants_commit();
                guard.lock();
                if (wanted) wanted_ = std::max(wanted_, started_ + 1);
            }
        } else {
            asked_.wait(guard, [&] { return stopping_ || wanted_ > started_; });
        }
    }
}

void Committer::wake_all() noexcept {
    ended_.notify_all();
    for (auto* waker : wakers_)
        if (waker->waiting.exchange(false)) signal_event(waker->event);
}

}  // namespace zonebridge::emulated
