// The options of a VDUSE disk, its node, and the calls that report the disk's life.
#pragma once

#include <functional>
#include <string>

#include <tl/expected.hpp>

#include "service/vdpa_driver.h"
#include "zone/status.h"

namespace zonebridge::service {

struct VduseOptions {
    std::string name;  ///< As virtio/vduse/session.h takes it.
    VdpaAttach attach = VdpaAttach::host;
};

/// The served disk's node.
struct VduseDisk {
    std::string node;        ///< "/dev/vdb", "/dev/vhost-vdpa-0"
    bool took_over = false;  ///< The device existed already: an earlier server had made it.
};

/// Called on the helper thread while a VDUSE disk is served.
struct VduseCalls {
    /// Called when everything is open, before the kernel's first request; an error ends the device.
    std::function<tl::expected<void, Error>()> on_open;
    std::function<void(const VduseDisk&)> on_ready;
    /// Called before the kernel takes the disk off the vDPA bus, which can take long, or forever if
    /// the disk hangs.
    std::function<void()> on_removal;
};

}  // namespace zonebridge::service
