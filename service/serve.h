// Serves a disk until told to stop: opens it, lets guests in by vhost-user, one front end's session
// after another, or by VDUSE, and leaves the disk clean.
//
// Threads: call from the main thread, with no other thread running: it takes over SIGTERM and SIGINT.
// Ownership: none is passed.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "service/control_socket.h"
#include "service/disk.h"
#include "service/guest_device.h"
#include "service/spin.h"
#include "service/vduse_service.h"
#include "zone/status.h"

namespace zonebridge::service {

struct ServeOptions {
    /// As many as a front end with a queue for each CPU may want.
    static constexpr std::uint16_t default_queues = 64;
    static constexpr std::uint16_t most_queues = 254;
    static constexpr unsigned most_workers = 64;

    /// A disk by its name, as transports/open.h takes it, and its number.
    struct Lun {
        std::uint16_t number = 0;
        std::string device;
    };

    /// Numbers apart, at most LunTable::most_number; exactly one, number 0, for blk.
    std::vector<Lun> luns;
    DiskOptions disk;  ///< How each of them is opened; its `refusals` is serve's own.
    bool explain =
        false;  ///< Each refused request is a line in the log, as far as they are not too many.
    /// scsi: a path to listen at for who adds and removes disks.
    std::optional<std::string> control;
    const ControlProtocol* control_protocol = nullptr;  ///< What is said there; outlives serve().
    std::uint16_t queues = default_queues;  ///< Request queues offered; 1 to most_queues.
    /// Threads that run the queues, 1 to most_workers; by itself the smaller of `queues` and the CPUs that
    /// this process may run on. Never more than the device can use.
    std::optional<unsigned> workers;
    /// How long a worker that ran dry looks for more before it sleeps, at most Spin::most; 0: not at all.
    /// By itself Spin::usual where there are more CPUs than workers, and else not at all.
    std::optional<std::chrono::microseconds> spin;
    // The way in: one of these.
    std::optional<std::string> socket;  ///< vhost-user: a path to listen at.
    std::optional<int> fd;              ///< vhost-user, inherited: a listening or connected socket.
    std::optional<VduseOptions> vduse;  ///< With GuestDeviceKind::blk only.
};

/// The disks can be used.
struct Ready {
    std::span<const NumberedDisk> disks;
    std::optional<VduseDisk> vduse;  ///< Where VDUSE made it appear.
};

/// As many queues as VDUSE's drivers use: one a CPU, at most ServeOptions::default_queues.
[[nodiscard]] std::uint16_t vduse_queues() noexcept;

/// Returns when SIGTERM or SIGINT came (or, with a connected `fd`, its peer left) and the disk is
/// clean. `on_ready` is called once, when front ends can connect or the disk is there, on whatever
/// thread. Errors of a session end that session and go to the log; only what makes serving
/// impossible is returned.
[[nodiscard]] tl::expected<void, Error> serve(const ServeOptions& options,
                                              const std::function<void(const Ready&)>& on_ready);

}  // namespace zonebridge::service
