// The open nodes of one SCSI disk: which of them carries what, and the ports on them.
//
// Threads: the ports may be used from any thread.
// Ownership: owns its file descriptors.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "base/unique_fd.h"
#include "transports/host/node.h"
#include "transports/scsi/control_port.h"
#include "transports/scsi/data_port.h"
#include "zone/status.h"

namespace zonebridge::scsi {

/// Whether this node is of a SCSI disk: an sg, bsg or SCSI block node.
[[nodiscard]] bool is_scsi(const host::Node& node);

/// Opens a node to send commands through; commands that change something need `writable`. The error
/// is errno.
[[nodiscard]] tl::expected<UniqueFd, int> open_node(const std::string& path, bool writable);

/// The node that data goes through by SG_IO.
struct DataNode {
    std::string path;
    DataPort::Kind kind = DataPort::Kind::sg;
};

/// The disk's nodes that can carry data, the best first (see data_port.h): the block node, the sg
/// node, the bsg node.
[[nodiscard]] std::vector<DataNode> data_nodes(const host::Node& node);

/// What the kernel lets through to this disk in one command.
struct HostLimits {
    std::uint64_t max_transfer = 0;  ///< Bytes.
    std::size_t max_pages = 0;       ///< Separate memory pages.
};
/// From sysfs' limits of the block node, else from the sg node; cautious where neither tells.
[[nodiscard]] HostLimits host_limits(const host::Node& node);

}  // namespace zonebridge::scsi
