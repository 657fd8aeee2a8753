// The open nodes of one SCSI disk, and the limits of commands on them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "base/unique_fd.h"
#include "transports/host/node.h"
#include "transports/scsi/kernel_ports.h"
#include "zone/status.h"

namespace zonebridge::scsi {

/// Whether the node belongs to a SCSI disk: an sg, bsg or SCSI block node.
[[nodiscard]] bool is_scsi(const host::Node& node);

/// Opens a node to send commands; commands that change the disk need `writable`. The error is
/// errno.
[[nodiscard]] tl::expected<UniqueFd, int> open_node(const std::string& path, bool writable);

/// The node for SG_IO data commands.
struct DataNode {
    std::string path;
    DataPort::Kind kind = DataPort::Kind::sg;
};

/// The disk's nodes that can carry data, the best first (see kernel_ports.h): the block node, the sg
/// node, the bsg node.
[[nodiscard]] std::vector<DataNode> data_nodes(const host::Node& node);

/// The most that the kernel allows for this disk in one command.
struct HostLimits {
    std::uint64_t max_transfer = 0;  ///< Bytes.
    std::size_t max_pages = 0;       ///< Separate memory pages.
};
/// From sysfs's limits of the block node, or the sg node; cautious if neither reports them.
[[nodiscard]] HostLimits host_limits(const host::Node& node);

}  // namespace zonebridge::scsi
