// A disk by VDUSE: the kernel's device, its place on the vDPA bus, the driver that gets it, and all
// of that undone again.
//
// Threads: call from the thread that is to run the session. What waits for the kernel, which asks
// the session questions meanwhile, runs on a helper thread that has ended when run_vduse returns.
// Ownership: borrows the backend.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "service/vdpa_driver.h"
#include "virtio/backend.h"
#include "zone/status.h"

namespace zonebridge::service {

struct VduseOptions {
    std::string name;  ///< As virtio/vduse/session.h takes it.
    VdpaAttach attach = VdpaAttach::host;
};

/// Where the disk is now.
struct VduseDisk {
    std::string node;        ///< "/dev/vdb", "/dev/vhost-vdpa-0"
    bool took_over = false;  ///< The kernel had it already, from a server that ended before.
};

/// What is told while a VDUSE disk is served; on another thread.
struct VduseCalls {
    std::function<void(const VduseDisk&)> on_ready;
    /// The disk is about to leave the vDPA bus: the kernel takes its time, or for ever, if the disk hangs.
    std::function<void()> on_removal;
};

/// What stands in the way, before anything is opened or made: what this host lacks, or the name
/// being somebody else's. Changes nothing.
[[nodiscard]] tl::expected<void, Error> check_vduse(const VduseOptions& options);

/// Makes the device, or takes over what a server left that was killed; adds it to the bus, gives it
/// to its driver, and calls `on_ready` when the node is there. Then until `stop`
/// (a signalfd) is readable: what the host has in memory for the disk is written out, for at most
/// 20 s or until another signal comes, and nothing of the device is left. An error undoes what
/// was done.
/// What is left on purpose, and is an error: a device whose back end failed, or that a virtual
/// machine still uses; the next server of the name takes it over.
/// `config`: the device's configuration space.
[[nodiscard]] tl::expected<void, Error> run_vduse(const VduseOptions& options,
                                                  virtio::Backend& backend,
                                                  std::vector<std::byte> config, int stop,
                                                  const VduseCalls& calls);

}  // namespace zonebridge::service
