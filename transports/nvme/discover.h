// Asks a namespace for its properties, and derives limits and a layout, or an error.
//
// Threads: one at a time for each port.
// Ownership: borrows the port during the call.
#pragma once

#include <string>

#include <tl/expected.hpp>

#include "transports/nvme/port.h"
#include "zns/identify.h"
#include "zone/limits.h"
#include "zone/status.h"

namespace zonebridge::nvme {

struct Discovery {
    zns::Controller controller;
    zns::Namespace space;
    Limits limits;  ///< Includes the layout; read_only for a write-protected namespace.
};

/// Checks everything that the device reports before believing it. Errors begin with `path`.
[[nodiscard]] tl::expected<Discovery, Error> discover(Port& port, const std::string& path,
                                                      const zns::HostBounds& host);

}  // namespace zonebridge::nvme
