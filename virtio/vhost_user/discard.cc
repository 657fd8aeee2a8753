#include "virtio/vhost_user/discard.h"

#include <fcntl.h>
#include <memory>
#include <system_error>
#include <utility>

#include "virtio/within.h"

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
    // A function has to be copyable.
    const auto closing = std::make_shared<std::vector<UniqueFd>>(std::move(fds));
    try {
        return within<bool>(patience, "zb-close",
                            [closing] {
                                closing->clear();
                                return true;
                            })
            .has_value();
    } catch (const std::system_error&) {
        closing->clear();  // no more threads: better late than never
        return true;
    }
}

}  // namespace zonebridge::virtio
