#include "service/ending_limit.h"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <poll.h>
#include <system_error>
#include <unistd.h>

#include "base/thread.h"
#include "service/log.h"

namespace zonebridge::service {

tl::expected<std::unique_ptr<EndingLimit>, Error> EndingLimit::start(
    std::optional<int> stop, std::chrono::milliseconds limit) {
    auto made = std::make_unique<EndingLimit>(Private{}, limit);
    if (!made->begun_ || !made->over_)
        return tl::unexpected(os_failure(errno, "can't make an eventfd"));
    try {
        made->thread_ =
            start_thread("zb-ending", [&self = *made, fd = stop.value_or(-1)] { self.watch(fd); });
    } catch (const std::system_error& error) {
        return tl::unexpected(os_failure(error.code().value(), "can't start a thread"));
    }
    return made;
}

EndingLimit::EndingLimit(Private, std::chrono::milliseconds limit)
    : limit_(limit), begun_(make_event_fd()), over_(make_event_fd()) {}

EndingLimit::~EndingLimit() {
    if (!thread_.joinable()) return;
    signal_event(over_);
    thread_.join();
}

void EndingLimit::begin(std::optional<std::chrono::milliseconds> limit) noexcept {
    if (told_.exchange(true)) return;
    if (limit) limit_ = *limit;
    signal_event(begun_);
}

void EndingLimit::watch(int stop) const {
    using Clock = std::chrono::steady_clock;
    std::array waits{pollfd{over_.get(), POLLIN, 0}, pollfd{begun_.get(), POLLIN, 0},
                     pollfd{stop, POLLIN, 0}};
    std::optional<Clock::time_point> end;
    for (;;) {
        int timeout = -1;
        if (end) {
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(*end - Clock::now());
            if (left.count() <= 0) break;
            timeout = static_cast<int>(left.count());
        }
        // Once the limit runs, wait only for the end.
        if (::poll(waits.data(), end ? 1 : waits.size(), timeout) <= 0) continue;
        if (waits[0].revents != 0) return;
        if (!end) end = Clock::now() + limit_.load();
    }
    log("told to end {} s ago, and a disk has not given back what it was asked for: ending without "
        "it. "
        "What was flushed is safe; the disk may stay in use until the kernel has its answers",
        std::chrono::duration<double>(limit_.load()).count());
    // Not exit(): nothing may be unmapped or freed that a request still uses.
    ::_exit(EXIT_FAILURE);
}

}  // namespace zonebridge::service
