// An open SCSI disk: what was found out about it, the nodes it is reached by, and the claim that
// keeps others from writing to it.
//
// Threads: any.
// Ownership: owns its nodes' descriptors and the claim; lends them to its queues.
#pragma once

#include <optional>
#include <string>

#include "transports/host/claim.h"
#include "transports/scsi/connection.h"
#include "transports/scsi/discover.h"
#include "transports/scsi/queue.h"
#include "zone/transport.h"

namespace zonebridge::scsi {

/// How the disk is reached.
struct Route {
    std::string control;  ///< The node that was named.
    DataNode data;
    Descriptor control_node;             ///< Held while the disk is open.
    Descriptor block_node;               ///< Set where data goes through the block node.
    std::optional<Descriptor> bsg_ring;  ///< Set where commands go through the ring.
    HostLimits limits;
    host::Claim claim;
    bool writable = false;
};

class OpenDisk final : public Transport {
  public:
    OpenDisk(Disk disk, Route route) noexcept : disk_(std::move(disk)), route_(std::move(route)) {}

    [[nodiscard]] const Limits& limits() const noexcept override { return disk_.limits; }
    [[nodiscard]] const Identity& identity() const noexcept override { return disk_.identity; }
    [[nodiscard]] tl::expected<std::unique_ptr<Queue>, Error> open_queue(
        Loop& loop, QueueOptions options) override;
    /// Empties the disk's write cache if it was opened for writing.
    [[nodiscard]] tl::expected<void, Error> close() override;
    ~OpenDisk() override;

  private:
    Disk disk_;
    Route route_;
    bool closed_ = false;
};

}  // namespace zonebridge::scsi
