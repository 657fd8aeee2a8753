#include "transports/crew.h"

#include <algorithm>
#include <cerrno>
#include <sys/eventfd.h>
#include <system_error>
#include <unistd.h>

#include "base/thread.h"

namespace zonebridge {

tl::expected<std::unique_ptr<Crew>, Error> Crew::start(Loop& loop, unsigned threads) {
    const auto event_fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (event_fd < 0) return tl::unexpected(os_failure(errno, "can't make an eventfd"));
    auto crew = std::make_unique<Crew>(Private{}, loop, event_fd);
    if (auto watched = loop.watch(event_fd, *crew); !watched)
        return tl::unexpected(watched.error());
    try {
        for (unsigned i = 0; i < std::max(threads, 1U); ++i)
            crew->threads_.push_back(start_thread("zb-pool", [&crew = *crew] { crew.work(); }));
    } catch (const std::system_error& error) {
        return tl::unexpected(os_failure(error.code().value(), "can't start a thread"));
    }
    return crew;
}

Crew::Crew(Private, Loop& loop, int event_fd) : loop_(loop), event_fd_(event_fd) {}

Crew::~Crew() {
    {
        const std::lock_guard guard(lock_);
        over_ = true;
        todo_ = {};
    }
    wanted_.notify_all();
    for (auto& thread : threads_) thread.join();
    loop_.unwatch(event_fd_);
    ::close(event_fd_);
}

void Crew::hand(Job& job) noexcept {
    ++in_hand_;
    {
        const std::lock_guard guard(lock_);
        todo_.push(job);
    }
    wanted_.notify_one();
}

void Crew::work() noexcept {
    std::unique_lock guard(lock_);
    for (;;) {
        wanted_.wait(guard, [&] { return over_ || !todo_.empty(); });
        if (over_) return;
        auto* job = todo_.pop();
        guard.unlock();
        job->run();
        guard.lock();
        const auto first = done_.empty();
        done_.push(*job);
        if (!first) continue;
        const std::uint64_t one = 1;
        [[maybe_unused]] const auto written = ::write(event_fd_, &one, sizeof one);
    }
}

void Crew::on_ready() {
    // The eventfd is never read: every write triggers the watch again.
    List<Job> done;
    {
        const std::lock_guard guard(lock_);
        std::swap(done, done_);
    }
    while (auto* job = done.pop()) {
        --in_hand_;
        job->done();
    }
}

}  // namespace zonebridge
