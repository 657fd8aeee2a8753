// How a driver is notified that its queue has answers: by vhost-user's call descriptor or VDUSE's
// interrupt.
//
// Threads: any thread may use it.
#pragma once

#include <cstdint>
#include <linux/vduse.h>
#include <optional>
#include <sys/ioctl.h>
#include <utility>

#include "base/unique_fd.h"

namespace zonebridge::virtio {

class Notifier {
  public:
    /// Notifies no driver.
    Notifier() = default;
    /// A call descriptor, as vhost-user passes it; null: notifies no driver.
    Notifier(SharedFd call) noexcept : fd_(std::move(call)) {}  // NOLINT: a descriptor is one
    /// The interrupt of queue `index` of a VDUSE device (linux/vduse.h, VDUSE_VQ_INJECT_IRQ).
    [[nodiscard]] static Notifier interrupt(SharedFd vduse_device, std::uint32_t index) noexcept {
        Notifier notifier(std::move(vduse_device));
        notifier.vduse_queue_ = index;
        return notifier;
    }

    /// The call descriptor, an eventfd to be signalled without waiting for room in it; null if
    /// there is none.
    [[nodiscard]] SharedFd call() const noexcept { return vduse_queue_ ? nullptr : fd_; }

    /// Raises VDUSE's interrupt, by one system call; does nothing for a call descriptor.
    void raise_interrupt() const noexcept {
        // Refused while the driver has no such queue running: then no driver waits.
        if (vduse_queue_) (void)::ioctl(fd_->get(), VDUSE_VQ_INJECT_IRQ, &*vduse_queue_);
    }

  private:
    SharedFd fd_;
    std::optional<std::uint32_t> vduse_queue_;
};

}  // namespace zonebridge::virtio
