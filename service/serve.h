// Serves a disk to virtual machines until told to stop: opens it, listens, runs one front end's session
// after another, and leaves the disk clean.
//
// Threads: call from the main thread, with no other thread running: it takes over SIGTERM and SIGINT.
// Ownership: none is passed.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include <tl/expected.hpp>

#include "service/guest_device.h"
#include "service/spin.h"
#include "transports/device.h"
#include "zone/status.h"
#include "zone/transport.h"

namespace zonebridge::service {

struct ServeOptions {
    /// As many as a front end with a queue for each CPU may want.
    static constexpr std::uint16_t default_queues = 64;
    static constexpr std::uint16_t most_queues = 254;
    static constexpr unsigned most_workers = 64;

    GuestDeviceKind guest_device = GuestDeviceKind::scsi;
    std::string device;  ///< As transports/open.h takes it.
    bool read_only = false;
    bool force = false;  ///< Serve also what is partitioned or held by another.
    DataPath data_path = DataPath::any;
    std::uint16_t queues = default_queues;  ///< Request queues offered; 1 to most_queues.
    /// Threads that run the queues, 1 to most_workers; by itself the smaller of `queues` and the CPUs that
    /// this process may run on. Never more than the device can use.
    std::optional<unsigned> workers;
    /// How long a worker that ran dry looks for more before it sleeps, at most Spin::most; 0: not at all.
    /// By itself Spin::usual where there are more CPUs than workers, and else not at all.
    std::optional<std::chrono::microseconds> spin;
    std::optional<std::string> socket;  ///< A path to listen at. Either this or `fd`.
    std::optional<int> fd;              ///< Inherited: a listening or a connected socket.
};

/// Returns when SIGTERM or SIGINT came (or, with a connected `fd`, its peer left) and the disk is
/// clean. `on_ready` is called once, when front ends can connect. Errors of a session end that
/// session and go to the log; only what makes serving impossible is returned.
[[nodiscard]] tl::expected<void, Error> serve(
    const ServeOptions& options, const std::function<void(const Transport&)>& on_ready);

}  // namespace zonebridge::service
