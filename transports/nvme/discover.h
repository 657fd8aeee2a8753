// Asks a namespace what it is, and makes limits and a layout of what it says, or an error.
//
// Threads: one at a time for each port.
// Ownership: borrows the port during the call.
#pragma once

#include <string>

#include <tl/expected.hpp>

#include "transports/nvme/port.h"
#include "zns/identify.h"
#include "zns/limits.h"
#include "zone/limits.h"
#include "zone/status.h"

namespace zonebridge::nvme {

struct Discovery {
    zns::Controller controller;
    zns::Namespace space;
    Limits limits;  ///< With the layout; read_only for a write-protected namespace.
};

/// Nothing that the device says is believed before it was held against the rest. Errors begin with
/// `path`.
[[nodiscard]] tl::expected<Discovery, Error> discover(Port& port, const std::string& path,
                                                      const zns::HostBounds& host);

/// Why a command failed, as the end of a line: "not permitted; ...", "Invalid Field in Command
/// (NVMe status 0/02)".
[[nodiscard]] std::string words_of(std::int32_t value);

}  // namespace zonebridge::nvme
