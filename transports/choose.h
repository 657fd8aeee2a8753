// Which transport drives a disk: the one that matches the hardware, and why, in words.
//
// Threads: any; looks at the host, opens nothing but plain files.
// Ownership: plain values.
#pragma once

#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "transports/host/node.h"
#include "transports/open.h"
#include "transports/zone_facts.h"

namespace zonebridge {

struct Choice {
    DeviceName::Kind transport;
    std::string path;
    std::string reason;  ///< For Identity::reason.
};

/// How to drive what `node` is, the best way first; at least one. The second is for when the first
/// is not there or not allowed, and never for when it is refused to protect data. Refused, with
/// advice: what no transport drives, and files that are no emulated disks.
[[nodiscard]] tl::expected<std::vector<Choice>, Error> choose(const host::Node& node);

/// The same for a node that is no file, from what is known of it.
[[nodiscard]] std::vector<Choice> choose_for_device(const host::Node& node, const ZoneFacts& facts);

}  // namespace zonebridge
