// The route to a SCSI disk: looks up and claims the disk, identifies it, and chooses and opens its
// nodes. Shared by the transport and the passed-through disk.
//
// Threads: the functions block; any thread.
// Ownership: a Route owns its nodes' descriptors and the claim that keeps others from writing.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <tl/expected.hpp>

#include "transports/device.h"
#include "transports/host/claim.h"
#include "transports/ring.h"
#include "transports/scsi/connection.h"
#include "transports/scsi/discover.h"
#include "transports/scsi/port.h"
#include "zone/loop.h"
#include "zone/status.h"

namespace zonebridge::scsi {

struct Route {
    std::string control;  ///< The node that the caller named.
    DataNode data;
    UniqueFd control_node;             ///< Held while the disk is open.
    UniqueFd block_node;               ///< Set if data goes through the block node.
    std::optional<UniqueFd> bsg_ring;  ///< Set if commands go through the ring.
    HostLimits limits;
    host::Claim claim;
    bool writable = false;
};

struct FoundDisk {
    DiskFacts disk;
    Route route;
};

/// Looks at `path`, claims the disk if it is opened for writing, and identifies it. The error names
/// the path, the problem and, if there is one, the remedy.
[[nodiscard]] tl::expected<FoundDisk, Error> find_disk(const std::string& path,
                                                       const DeviceOptions& options,
                                                       FindZac find_zac);

/// One queue's own data node, or the shared block node.
struct DataWay {
    UniqueFd node;  ///< Set if it is the queue's own: an sg node carries 16 commands at most.
    std::unique_ptr<Port> port;
    std::optional<int> bsg_ring;  ///< The bsg node for commands in the ring.
};

/// `threads`: the most commands in flight outside the ring. Fails if the route uses the ring and
/// the loop has none.
[[nodiscard]] tl::expected<DataWay, Error> open_data_way(const Route& route, const DiskFacts& disk,
                                                         Loop& loop, std::size_t threads);

/// The error for a node that could be opened before.
[[nodiscard]] tl::unexpected<Error> cannot_open_again(const std::string& path, int error);

/// Empties the disk's write cache if it was opened for writing.
[[nodiscard]] tl::expected<void, Error> empty_cache(const Route& route, const DiskFacts& disk);

}  // namespace zonebridge::scsi
