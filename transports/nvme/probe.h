// Chooses how commands reach the kernel: through io_uring, or by ioctls. Tries io_uring to find
// out.
//
// Ownership: borrows the namespace during the call.
#pragma once

#include <cstdint>
#include <string>

#include <tl/expected.hpp>

#include "transports/device.h"
#include "transports/nvme/control.h"

namespace zonebridge::nvme {

/// Whether to use the ring. With DataPath::any: if the kernel accepts a read of the first block
/// there; DataPath::io_uring fails if it does not. The error begins with `path`.
[[nodiscard]] tl::expected<bool, Error> choose_path(const Control& control, const std::string& path,
                                                    std::uint32_t block_size, DataPath wanted);

}  // namespace zonebridge::nvme
