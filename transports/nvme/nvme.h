// Opens the nvme transport: an NVMe namespace by passthrough commands, libnvme for control,
// io_uring for data.
#pragma once

#include <memory>
#include <string>

#include <tl/expected.hpp>

#include "transports/device.h"
#include "zone/transport.h"

namespace zonebridge::nvme {

/// Opens `path` as a bare device: writes to one sequential zone must come one at a time and in
/// order; the sequencer (layers/sequencer) sees to that. The error names the path, the problem and,
/// if there is one, the remedy.
[[nodiscard]] tl::expected<std::unique_ptr<Transport>, Error> open(const std::string& path,
                                                                   const DeviceOptions& options);

}  // namespace zonebridge::nvme
