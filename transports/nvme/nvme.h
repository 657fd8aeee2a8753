// The nvme transport's one door: an NVMe namespace by passthrough commands: libnvme for control,
// io_uring for data.
//
// Ownership: the caller owns the transport that is returned.
#pragma once

#include <memory>
#include <string>

#include <tl/expected.hpp>

#include "transports/device.h"
#include "zone/transport.h"

namespace zonebridge::nvme {

/// Opens `path`. What it gives is the bare device: writes to one sequential zone must come one at a
/// time and in order, which is the sequencer's part (layers/sequencer). The error names the
/// path, what is wrong and, where there is one, what to do.
[[nodiscard]] tl::expected<std::unique_ptr<Transport>, Error> open(const std::string& path,
                                                                   const DeviceOptions& options);

}  // namespace zonebridge::nvme
