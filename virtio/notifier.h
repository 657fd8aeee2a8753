// Telling a driver that its queue has answers: by the way that its front end asked for.
//
// Threads: a value of one thread; notify() from any.
// Ownership: shares the descriptor with whoever else holds it.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "base/unique_fd.h"

namespace zonebridge::virtio {

/// Adds 1 to the eventfd (or writes those 8 bytes to a pipe); nothing if there is none, or if it is
/// full, which wakes the other side just as well.
void notify(const UniqueFd& fd) noexcept;
inline void notify(const SharedFd& fd) noexcept {
    if (fd) notify(*fd);
}

class Notifier {
  public:
    /// Nobody is to be told.
    Notifier() = default;
    /// A call descriptor, as vhost-user passes it; null: nobody is to be told.
    Notifier(SharedFd call) noexcept : fd_(std::move(call)) {}  // NOLINT: a descriptor is one
    /// The interrupt of queue `index` of a VDUSE device (linux/vduse.h, VDUSE_VQ_INJECT_IRQ).
    [[nodiscard]] static Notifier interrupt(SharedFd vduse_device, std::uint32_t index) noexcept {
        Notifier notifier(std::move(vduse_device));
        notifier.vduse_queue_ = index;
        return notifier;
    }

    /// One system call, or none. Failures are the other side's loss.
    void notify() const noexcept;

  private:
    SharedFd fd_;
    std::optional<std::uint32_t> vduse_queue_;
};

}  // namespace zonebridge::virtio
