// A device that completes every request and moves no data: measures the path without a disk.
#pragma once

#include <cstdint>
#include <memory>

#include "zone/transport.h"

namespace zonebridge::null {

/// A disk without zones, of `size` bytes with 512-byte blocks. Reads leave their buffers unchanged;
/// writes and flushes succeed at once. Fails if `size` is 0 or not whole blocks.
[[nodiscard]] tl::expected<std::unique_ptr<Transport>, Error> open(std::uint64_t size);

}  // namespace zonebridge::null
