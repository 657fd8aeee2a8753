#include "virtio/notifier.h"

#include <cerrno>
#include <linux/vduse.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace zonebridge::virtio {

void notify(const UniqueFd& fd) noexcept {
    const std::uint64_t one = 1;
    // Full means that a wake-up is pending; any other failure is the peer's loss.
    while (::write(fd.get(), &one, sizeof one) < 0 && errno == EINTR) {
    }
}

void Notifier::notify() const noexcept {
    if (!vduse_queue_) return virtio::notify(fd_);
    // Refused while the driver has no such queue running: then nobody is waiting.
    (void)::ioctl(fd_->get(), VDUSE_VQ_INJECT_IRQ, &*vduse_queue_);
}

}  // namespace zonebridge::virtio
