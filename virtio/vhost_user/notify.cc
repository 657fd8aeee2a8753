#include "virtio/vhost_user/notify.h"

#include <cerrno>
#include <cstdint>
#include <unistd.h>

namespace zonebridge::virtio {

void notify(const SharedFd& fd) noexcept {
    if (!fd) return;
    const std::uint64_t one = 1;
    // Full means that a wake-up is pending; any other failure is the peer's loss.
    while (::write(fd->get(), &one, sizeof one) < 0 && errno == EINTR) {
    }
}

}  // namespace zonebridge::virtio
