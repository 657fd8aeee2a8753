// Which files the broker (service/broker.h) opens, examines and removes for a confined server. A guest
// that has taken the server over can ask for anything: these rules are the wall.
//
// Threads: the functions belong to the broker's only thread.
#pragma once

#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

#include <tl/expected.hpp>

#include "base/unique_fd.h"

struct io_uring_params;

namespace zonebridge::service {

struct BrokerRules {
    /// Paths that may be removed: the server's own sockets and records.
    std::vector<std::string> own_files;
    /// Opens disks: emulated disks and other files, block devices, nodes of SCSI disks and NVMe
    /// namespaces; and reads what tells about disks and their users in /sys and /proc.
    bool disks = false;
    /// With `disks`: only those in or below this folder, after all links are followed.
    std::optional<std::string> lun_root;
    /// The nodes and files, without links, of the disks that the server had at its start: they are
    /// opened again wherever they are.
    std::vector<std::string> first_disks;
    /// Drives the VDUSE device of this name through its files in /sys, and finds its users.
    std::optional<std::string> vduse;
};

/// Opens `path`, absolute or from the working directory, with the flags of open(2), for the process
/// `asks`. The error is an errno: EACCES if the rules do not allow it. Never creates or shortens a
/// file.
[[nodiscard]] tl::expected<UniqueFd, int> open_by_rules(const BrokerRules& rules,
                                                        const std::string& path, int flags,
                                                        pid_t asks);
/// Whether facts of a file by its path (size, kind, where a link leads) may be told.
[[nodiscard]] bool may_examine(const BrokerRules& rules, const std::string& path) noexcept;
/// The paths of all nodes of the disk at `path`, for first_disks; none if there is no disk.
[[nodiscard]] std::vector<std::string> nodes_of_disk(const std::string& path);
/// A ring for the server, which can do only what transports/ring allows: made disabled, limited, and
/// described in `parameters`, as io_uring_setup(2) does. The error is an errno; EPERM if the rules
/// allow none, or not such a ring.
[[nodiscard]] tl::expected<UniqueFd, int> ring_by_rules(const BrokerRules& rules, unsigned entries,
                                                        io_uring_params& parameters);
[[nodiscard]] bool may_remove(const BrokerRules& rules, const std::string& path) noexcept;
/// `path` as the process `asks` means it: /proc/self is that process.
[[nodiscard]] std::string path_of(const std::string& path, pid_t asks);

}  // namespace zonebridge::service
