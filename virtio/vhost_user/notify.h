// Telling the driver, through a call or error descriptor.
//
// Threads: any.
// Ownership: borrows the descriptor.
#pragma once

#include "virtio/unique_fd.h"

namespace zonebridge::virtio {

/// Adds 1 to the eventfd (or writes those 8 bytes to a pipe); nothing if there is none, or if it is
/// full, which wakes the other side just as well.
void notify(const SharedFd& fd) noexcept;

}  // namespace zonebridge::virtio
