#include "virtio/notifier.h"

#include <cerrno>
#include <linux/vduse.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace zonebridge::virtio {

void notify(const UniqueFd& fd) noexcept {
    const std::uint64_t one = 1;
    // A full eventfd means that a wake-up is pending; other failures concern only the peer.
    while (::write(fd.get(), &one, sizeof one) < 0 && errno == EINTR) {
    }
}

void Notifier::notify() const noexcept {
    if (!vduse_queue_) return virtio::notify(fd_);
    // Refused while the driver has no such queue running: then no driver waits.
    (void)::ioctl(fd_->get(), VDUSE_VQ_INJECT_IRQ, &*vduse_queue_);
}

}  // namespace zonebridge::virtio
