// Serves disks until SIGTERM or SIGINT: opens them, runs vhost-user sessions one after another or
// one VDUSE device, and closes the disks clean.
//
// Threads: call from the main thread, with no other thread running: it takes over SIGTERM and SIGINT.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "service/disk.h"
#include "service/guest_device.h"
#include "service/sandbox.h"
#include "service/spin.h"
#include "service/vduse_options.h"
#include "service/vhost_user_service.h"
#include "virtio/vhost_user/socket_path.h"
#include "zone/status.h"

namespace zonebridge::service {

struct ServeOptions {
    /// Enough for a front end with a queue for each CPU.
    static constexpr std::uint16_t default_queues = 64;
    static constexpr std::uint16_t most_queues = 254;
    static constexpr unsigned most_workers = 64;

    /// A disk by its name, as transports/open.h takes it, and its number.
    struct Lun {
        std::uint16_t number = 0;
        std::string device;
    };

    /// Different numbers, at most LunTable::most_number; exactly one, number 0, for blk.
    std::vector<Lun> luns;
    DiskOptions disk;      ///< How to open each disk; serve() sets its `refusals`.
    bool explain = false;  ///< Log refused requests, at a limited rate.
    /// scsi: the path of the control socket, for adding and removing disks.
    std::optional<std::string> control;
    std::uint16_t queues = default_queues;  ///< Request queues offered; 1 to most_queues.
    /// Threads that run the queues, 1 to most_workers; by default the smaller of `queues` and the
    /// CPUs that this process may run on. Never more than the device can use.
    std::optional<unsigned> workers;
    /// How long an idle worker polls before it sleeps, at most Spin::most; 0: not at all. By
    /// default Spin::usual if there are more CPUs than workers, and otherwise 0.
    std::optional<std::chrono::microseconds> spin;
    SandboxOptions sandbox;
    // Exactly one of these:
    std::optional<std::string> socket;  ///< vhost-user: a path to listen at.
    std::optional<int> fd;              ///< vhost-user, inherited: a listening or connected socket.
    VhostUserOptions vhost_user;
    virtio::SocketAccess access;        ///< Of `socket` and `control`.
    std::optional<VduseOptions> vduse;  ///< With GuestDeviceKind::blk only.
};

/// Passed to `on_ready` when guests can use the disks.
struct Ready {
    std::span<const NumberedDisk> disks;
    std::optional<VduseDisk> vduse;  ///< The node that VDUSE made.
};

/// The queues that VDUSE's drivers use: one for each CPU, at most ServeOptions::default_queues.
[[nodiscard]] std::uint16_t vduse_queues() noexcept;

/// Returns when SIGTERM or SIGINT came (or the front end of a connected `fd` left) and the disk is
/// clean. `on_ready` is called once, on any thread, when front ends can connect or the node is
/// there. A session's errors end that session and go to the log; only errors that make serving
/// impossible are returned.
[[nodiscard]] tl::expected<void, Error> serve(const ServeOptions& options,
                                              const std::function<void(const Ready&)>& on_ready);

}  // namespace zonebridge::service
