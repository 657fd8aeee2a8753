// NVMe commands through io_uring: whether the kernel takes them, and the entry of the ring for one.
//
// Ownership: borrows everything during the call; a command's data until its completion.
#pragma once

#include <cstdint>
#include <string>

#include <liburing.h>
#include <tl/expected.hpp>

#include "transports/device.h"
#include "transports/nvme/control.h"
#include "zns/command.h"

namespace zonebridge::nvme {

/// Whether to use the ring; otherwise commands are ioctls. With DataPath::any: if the kernel accepts
/// a read of the first block there; DataPath::io_uring fails if it does not. The error begins with
/// `path`.
[[nodiscard]] tl::expected<bool, Error> choose_path(const Control& control, const std::string& path,
                                                    std::uint32_t block_size, DataPath wanted);

/// Fills in `entry`, which is 128 bytes long and keeps its user data. `fd`: the generic node.
/// `timeout`: milliseconds; 0: the kernel's default.
void prepare(io_uring_sqe& entry, int fd, const zns::Command& command, const Data& data,
             std::uint32_t timeout) noexcept;

}  // namespace zonebridge::nvme
