// Opens the block transport: any Linux block device, zoned or not, or a plain file (model none), by
// ioctls and io_uring.
#pragma once

#include <memory>
#include <string>

#include <tl/expected.hpp>

#include "transports/device.h"
#include "zone/transport.h"

namespace zonebridge::block {

/// Opens `path` as a bare device: writes to one sequential zone must come one at a time and in
/// order; the sequencer (layers/sequencer) sees to that. The error names the path, the problem and,
/// if there is one, the remedy.
[[nodiscard]] tl::expected<std::unique_ptr<Transport>, Error> open(const std::string& path,
                                                                   const DeviceOptions& options);

}  // namespace zonebridge::block
