// Chooses the transport that matches a disk's hardware, and says why.
//
// Threads: any; reads sysfs, opens nothing but plain files.
#pragma once

#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "transports/device_name.h"
#include "transports/host/node.h"
#include "transports/zone_facts.h"

namespace zonebridge {

struct Choice {
    DeviceName::Kind transport;
    std::string path;
    std::string reason;  ///< For Identity::reason.
};

/// The transports for `node`, the best first; at least one. The second is for when the first does
/// not exist or is not permitted, never for when it was refused to protect data. Refuses, with
/// advice, nodes that no transport drives and files that are not emulated disks.
[[nodiscard]] tl::expected<std::vector<Choice>, Error> choose(const host::Node& node);

/// The same for a device node, from the facts known about it.
[[nodiscard]] std::vector<Choice> choose_for_device(const host::Node& node, const ZoneFacts& facts);

}  // namespace zonebridge
