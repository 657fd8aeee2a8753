// A device that completes everything and moves nothing: what the path to a disk costs without one.
//
// Threads: as zone/transport.h.
// Ownership: the caller owns the transport.
#pragma once

#include <cstdint>
#include <memory>

#include "zone/transport.h"

namespace zonebridge::null {

/// An ordinary disk (no zones) of `size` bytes with 512-byte blocks. Reads leave their buffers as
/// they were; writes and flushes succeed at once. Fails on a size that is 0 or not whole blocks.
[[nodiscard]] tl::expected<std::unique_ptr<Transport>, Error> open(std::uint64_t size);

}  // namespace zonebridge::null
