// An open SCSI disk as a transport.
//
// Ownership: owns the route to the disk and lends it to its queues.
#pragma once

#include <memory>

#include "transports/scsi/discover.h"
#include "transports/scsi/queue.h"
#include "transports/scsi/route.h"
#include "zone/transport.h"

namespace zonebridge::scsi {

class OpenDisk final : public Transport {
  public:
    OpenDisk(DiskFacts disk, Route route) noexcept
        : disk_(std::move(disk)), route_(std::move(route)) {}

    [[nodiscard]] const Limits& limits() const noexcept override { return disk_.limits; }
    [[nodiscard]] const Identity& identity() const noexcept override { return disk_.identity; }
    [[nodiscard]] tl::expected<std::unique_ptr<Queue>, Error> open_queue(
        Loop& loop, QueueOptions options) override;
    /// Empties the disk's write cache if it was opened for writing.
    [[nodiscard]] tl::expected<void, Error> close() override;
    ~OpenDisk() override;

  private:
    DiskFacts disk_;
    Route route_;
    bool closed_ = false;
};

}  // namespace zonebridge::scsi
