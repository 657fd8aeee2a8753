// Opens a device by name: picks the matching transport, and says why.
#pragma once

#include <memory>
#include <string_view>

#include <tl/expected.hpp>

#include "base/export.h"
#include "transports/device.h"
#include "transports/device_name.h"
#include "zone/status.h"
#include "zone/transport.h"

ZONEBRIDGE_BEGIN_PUBLIC
namespace zonebridge {

struct OpenOptions {
    bool writable = false;
    /// Also write to a device that is partitioned or open elsewhere, never to one that is held.
    bool force = false;
    /// Also write to an emulated disk of which acknowledged data is missing. Otherwise the error names
    /// that data.
    bool accept_loss = false;
    /// How commands reach the kernel, for transports with a choice.
    DataPath data_path = DataPath::any;
};

/// Opens "emulated:PATH", "null:SIZE", "block:PATH", "scsi:PATH", "nvme:PATH" or a plain path,
/// whose transport is chosen by looking at it (transports/choose). A real device comes with its
/// zones in order (layers/sequencer). Every disk takes reads and writes of any
/// length. Identity::reason of the result says why, and what was tried
/// before. The error names the device, the problem and, if there is one, the remedy.
[[nodiscard]] tl::expected<std::unique_ptr<Transport>, Error> open_device(std::string_view device,
                                                                          OpenOptions options);

}  // namespace zonebridge
ZONEBRIDGE_END_PUBLIC
