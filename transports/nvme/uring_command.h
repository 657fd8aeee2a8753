// Encodes an NVMe command as an entry of the ring.
//
// Ownership: borrows everything during the call; the data until the command's completion.
#pragma once

#include <cstdint>

#include <liburing.h>

#include "transports/nvme/control.h"
#include "zns/command.h"

namespace zonebridge::nvme {

/// Fills in `entry`, which is 128 bytes long and keeps its user data. `fd`: the generic node.
/// `timeout`: milliseconds; 0: the kernel's default.
void prepare(io_uring_sqe& entry, int fd, const zns::Command& command, const Data& data,
             std::uint32_t timeout) noexcept;

}  // namespace zonebridge::nvme
