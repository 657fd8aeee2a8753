// How a SCSI disk is reached: it is looked up, claimed and asked what it is, and its nodes are chosen
// and opened. What the transport and the passed-through disk have in common.
//
// Threads: blocking functions; any thread.
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
    std::string control;  ///< The node that was named.
    DataNode data;
    UniqueFd control_node;             ///< Held while the disk is open.
    UniqueFd block_node;               ///< Set where data goes through the block node.
    std::optional<UniqueFd> bsg_ring;  ///< Set where commands go through the ring.
    HostLimits limits;
    host::Claim claim;
    bool writable = false;
};

struct FoundDisk {
    Disk disk;
    Route route;
};

/// Looks at `path`, claims the disk if it is to be written to, and asks it what it is. The error
/// names the path, what is wrong and, where there is one, what to do.
[[nodiscard]] tl::expected<FoundDisk, Error> find_disk(const std::string& path,
                                                       const DeviceOptions& options,
                                                       FindZac find_zac);

/// One queue's own way to the data node; or the block node that all share.
struct DataWay {
    UniqueFd node;  ///< Set where it is the queue's own: an sg node carries 16 commands at most.
    std::unique_ptr<Port> port;
    std::optional<int> bsg_ring;  ///< The bsg node for commands in the ring.
};

/// `threads`: commands that may be under way outside of the ring. Fails where the ring is wanted and
/// the loop has none.
[[nodiscard]] tl::expected<DataWay, Error> open_data_way(const Route& route, const Disk& disk,
                                                         Loop& loop, std::size_t threads);

/// The error of a node that was open before.
[[nodiscard]] tl::unexpected<Error> cannot_open_again(const std::string& path, int error);

/// Empties the disk's write cache if it was opened for writing.
[[nodiscard]] tl::expected<void, Error> empty_cache(const Route& route, const Disk& disk);

}  // namespace zonebridge::scsi
