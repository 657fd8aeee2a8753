// A thread pool whose completions come back through a loop, many for one wake-up.
//
// Threads: everything but ThreadPool::Job::run belongs to the loop's thread.
// Ownership: borrows its loop and its jobs; owns the pool.
#pragma once

#include <memory>
#include <utility>

#include <tl/expected.hpp>

#include "base/thread_pool.h"
#include "zone/loop.h"
#include "zone/status.h"

namespace zonebridge {

class LoopThreadPool final : private Watcher {
    struct Private {};

  public:
    /// `threads`: at least 1 is started. Fails if the system has no more threads or descriptors.
    [[nodiscard]] static tl::expected<std::unique_ptr<LoopThreadPool>, Error> start(
        Loop& loop, unsigned threads) {
        auto pool = ThreadPool::start(threads);
        if (!pool) return tl::unexpected(os_failure(pool.error(), "can't start a thread pool"));
        const auto fd = (*pool)->fd();
        auto started = std::make_unique<LoopThreadPool>(Private{}, loop, std::move(*pool));
        if (auto watched = loop.watch(fd, *started); !watched)
            return tl::unexpected(watched.error());
        return started;
    }
    LoopThreadPool(Private, Loop& loop, std::unique_ptr<ThreadPool> pool)  // by start()
        : loop_(loop), pool_(std::move(pool)) {}
    LoopThreadPool(const LoopThreadPool&) = delete;
    LoopThreadPool& operator=(const LoopThreadPool&) = delete;
    /// Like ThreadPool's.
    ~LoopThreadPool() { loop_.unwatch(pool_->fd()); }

    /// Never blocks and never allocates.
    void submit(ThreadPool::Job& job) noexcept { pool_->submit(job); }
    /// Jobs submitted whose done() has not been called.
    [[nodiscard]] std::size_t in_flight() const noexcept { return pool_->in_flight(); }

  private:
    void on_ready() override { pool_->complete(); }

    Loop& loop_;
    std::unique_ptr<ThreadPool> pool_;
};

}  // namespace zonebridge
