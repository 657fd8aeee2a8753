#include "virtio/vhost_user/discard.h"

#include <condition_variable>
#include <fcntl.h>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "base/thread.h"

namespace zonebridge::virtio {
namespace {

/// Memory: memfd, shmem or hugetlbfs. No other file has seals, and the question never waits.
bool is_memory(const UniqueFd& fd) noexcept {
    return ::fcntl(fd.get(), F_GET_SEALS) >= 0;
}

}  // namespace

bool discard(std::vector<UniqueFd> fds, std::chrono::milliseconds patience) {
    std::erase_if(fds, [](const UniqueFd& fd) { return !fd || is_memory(fd); });
    if (fds.empty()) return true;
    struct Closing {
        std::vector<UniqueFd> fds;
        std::mutex lock;
        std::condition_variable ended;
        bool done = false;  // under lock
    };
    const auto closing = std::make_shared<Closing>();
    closing->fds = std::move(fds);
    try {
        start_thread("zb-close", [closing] {
            closing->fds.clear();
            {
                const std::lock_guard guard(closing->lock);
                closing->done = true;
            }
            closing->ended.notify_one();
        }).detach();
    } catch (const std::system_error&) {
        closing->fds.clear();  // no more threads: better late than never
        return true;
    }
    std::unique_lock lock(closing->lock);
    return closing->ended.wait_for(lock, patience, [&] { return closing->done; });
}

}  // namespace zonebridge::virtio
