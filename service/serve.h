// Serves a disk to virtual machines until told to stop: opens it, listens, runs one front end's session
// after another, and leaves the disk clean.
//
// Threads: call from the main thread, with no other thread running: it takes over SIGTERM and SIGINT.
// Ownership: none is passed.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include <tl/expected.hpp>

#include "transports/device.h"
#include "zone/status.h"
#include "zone/transport.h"

namespace zonebridge::service {

struct ServeOptions {
    std::string device;  ///< As transports/open.h takes it.
    bool read_only = false;
    bool force = false;  ///< Serve also what is partitioned or held by another.
    DataPath data_path = DataPath::any;
    std::optional<std::string> socket;  ///< A path to listen at. Either this or `fd`.
    std::optional<int> fd;              ///< Inherited: a listening or a connected socket.
};

/// Returns when SIGTERM or SIGINT came (or, with a connected `fd`, its peer left) and the disk is
/// clean. `on_ready` is called once, when front ends can connect. Errors of a session end that
/// session and go to the log; only what makes serving impossible is returned.
[[nodiscard]] tl::expected<void, Error> serve_scsi(
    const ServeOptions& options, const std::function<void(const Transport&)>& on_ready);

}  // namespace zonebridge::service
