// Serves a disk by VDUSE: makes the kernel's device, adds it to the vDPA bus, binds its driver, and
// undoes all of that at the end.
//
// Threads: call on the thread that should run the session. A helper thread waits for the kernel,
// which sends the session requests meanwhile; the helper has ended when run_vduse returns.
// Ownership: borrows the backend.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "service/own_device_bus.h"
#include "service/vduse_options.h"
#include "virtio/backend.h"
#include "zone/status.h"

namespace zonebridge::service {

/// Why the device can't be served, before anything is opened or made: what this host lacks, or a
/// name in use by another program. Changes nothing.
[[nodiscard]] tl::expected<void, Error> check_vduse(const VduseOptions& options);

/// Makes the device, or takes over the one of a killed server; adds it to the bus, binds its
/// driver, and calls `on_ready` when the node is there. When `stop` (a signalfd) is readable, the
/// host's cached data for the disk is written out, for at most 20 s or until another signal comes,
/// and the device is removed. An error undoes the steps before it.
/// Two errors leave the device on purpose: its back end failed, or a virtual machine still uses it.
/// The next server of the name takes it over.
/// `config`: the device's configuration space.
/// The bus for run_vduse(), as service/own_device_bus.h opens it.
[[nodiscard]] tl::expected<std::unique_ptr<OwnDeviceBus>, Error> open_bus(
    const VduseOptions& options, bool in_process);

/// The file that run_vduse() makes, and removes with the device.
[[nodiscard]] std::string record_of(const VduseOptions& options);

[[nodiscard]] tl::expected<void, Error> run_vduse(const VduseOptions& options,
                                                  virtio::Backend& backend,
                                                  std::vector<std::byte> config,
                                                  std::unique_ptr<OwnDeviceBus> bus, int stop,
                                                  const VduseCalls& calls);

}  // namespace zonebridge::service
