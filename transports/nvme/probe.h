// Which of the two ways commands take: through io_uring, or by ioctls. The kernel is asked by
// trying.
//
// Ownership: borrows the namespace during the call.
#pragma once

#include <cstdint>
#include <string>

#include <tl/expected.hpp>

#include "transports/device.h"
#include "transports/nvme/control.h"

namespace zonebridge::nvme {

/// Whether to go by the ring. With DataPath::any that is so where the kernel takes a read of the
/// first block there; DataPath::io_uring fails where it does not. The error begins with `path`.
[[nodiscard]] tl::expected<bool, Error> choose_path(const Control& control, const std::string& path,
                                                    std::uint32_t block_size, DataPath wanted);

}  // namespace zonebridge::nvme
