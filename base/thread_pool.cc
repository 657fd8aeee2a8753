#include "base/thread_pool.h"

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "base/thread.h"

namespace zonebridge {

tl::expected<std::unique_ptr<ThreadPool>, int> ThreadPool::start(unsigned threads) {
    auto event = make_event_fd();
    if (!event) return tl::unexpected(errno);
    auto pool = std::make_unique<ThreadPool>(Private{}, std::move(event));
    try {
        for (unsigned i = 0; i < std::max(threads, 1U); ++i)
            pool->threads_.push_back(start_thread("zb-pool", [&pool = *pool] { pool.work(); }));
    } catch (const std::system_error& error) {
        return tl::unexpected(error.code().value());
    }
    return pool;
}

ThreadPool::ThreadPool(Private, UniqueFd event) : event_(std::move(event)) {}

ThreadPool::~ThreadPool() {
    {
        const std::lock_guard guard(lock_);
        over_ = true;
        pending_ = {};
    }
    wanted_.notify_all();
    for (auto& thread : threads_) thread.join();
}

void ThreadPool::submit(Job& job) noexcept {
    ++in_flight_;
    {
        const std::lock_guard guard(lock_);
        pending_.push(job);
    }
    wanted_.notify_one();
}

void ThreadPool::work() noexcept {
    std::unique_lock guard(lock_);
    for (;;) {
        wanted_.wait(guard, [&] { return over_ || !pending_.empty(); });
        if (over_) return;
        auto* job = pending_.pop();
        guard.unlock();
        job->run();
        guard.lock();
        const auto first = done_.empty();
        done_.push(*job);
        if (!first) continue;
        signal_event(event_);
    }
}

void ThreadPool::complete() noexcept {
    List<Job> done;
    {
        const std::lock_guard guard(lock_);
        std::swap(done, done_);
    }
    while (auto* job = done.pop()) {
        --in_flight_;
        job->done();
    }
}

}  // namespace zonebridge
