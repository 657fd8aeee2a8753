// Notifies a driver that its queue has answers, by vhost-user's call descriptor or VDUSE's
// interrupt.
//
// Threads: notify() may be called on any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "base/unique_fd.h"

namespace zonebridge::virtio {

/// Adds 1 to the eventfd (or writes those 8 bytes to a pipe); does nothing without a descriptor. A
/// full eventfd needs no write: its reader is about to wake.
void notify(const UniqueFd& fd) noexcept;
inline void notify(const SharedFd& fd) noexcept {
    if (fd) notify(*fd);
}

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

    /// At most one system call. Ignores failures: they concern only the driver.
    void notify() const noexcept;

  private:
    SharedFd fd_;
    std::optional<std::uint32_t> vduse_queue_;
};

}  // namespace zonebridge::virtio
