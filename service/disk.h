// A served disk, opened by the name that the user gave: for virtio-blk as a transport, for
// virtio-scsi as a logical unit. The logical unit is the disk itself if it speaks SCSI, and
// otherwise a target that translates SCSI commands.
//
// Threads: any, except close().
// Ownership: owns the transport and the logical unit; their users are gone before it is destroyed.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "layers/fault/fault.h"
#include "transports/device.h"
#include "transports/scsi/passthrough.h"
#include "zbc/logical_unit.h"
#include "zone/refusal.h"
#include "zone/status.h"
#include "zone/transport.h"

namespace zonebridge::service {

/// The kind of device that the guest sees.
enum class GuestDeviceKind : std::uint8_t {
    scsi,  ///< A logical unit of a virtio-scsi controller.
    blk,   ///< A virtio-blk device.
};

struct DiskOptions {
    GuestDeviceKind kind = GuestDeviceKind::scsi;
    bool read_only = false;
    bool force = false;  ///< Serve disks too that are partitioned or open elsewhere.
    /// Serve an emulated disk, too, of which acknowledged data is missing.
    bool accept_loss = false;
    DataPath data_path = DataPath::any;
    bool translate = false;  ///< Translate commands for SCSI disks, too.
    /// Commands passed to a SCSI disk in addition to those that always are.
    std::vector<std::string> allow;
    /// URSWRZ as the guest sees it, if not as the disk reports it; translated logical units of
    /// host-managed disks only.
    std::optional<bool> reads_past_pointer;
    /// Faults to inject; not for passed-through disks.
    std::vector<fault::Rule> faults;
    fault::Observer* observer =
        nullptr;                      ///< Receives injected faults; outlives the disk. May be null.
    RefusalSink* refusals = nullptr;  ///< Receives refusals; outlives the disk. May be null.
};

class GuestDisk {
    struct Private {};

  public:
    /// `name` as transports/open.h takes it.
    [[nodiscard]] static tl::expected<std::unique_ptr<GuestDisk>, Error> open(
        const std::string& name, const DiskOptions& options);
    explicit GuestDisk(Private) {}

    [[nodiscard]] const Limits& limits() const noexcept;
    [[nodiscard]] const Identity& identity() const noexcept;
    /// Whether the guest's commands go to the disk untranslated.
    [[nodiscard]] bool passed_through() const noexcept { return passed_ != nullptr; }
    [[nodiscard]] RefusalSink* refusals() const noexcept { return refusals_; }
    /// Not for a disk that is passed through.
    [[nodiscard]] Transport& transport() noexcept { return *transport_; }
    /// GuestDeviceKind::scsi only.
    [[nodiscard]] zbc::LogicalUnit& unit() noexcept;

    /// Writes out the disk's cache and closes it. Requires that nothing uses the disk any more.
    [[nodiscard]] tl::expected<void, Error> close();

  private:
    std::unique_ptr<Transport> transport_;      // or else passed_
    std::unique_ptr<zbc::LogicalUnit> target_;  // over transport_
    std::unique_ptr<scsi::PassedDisk> passed_;
    RefusalSink* refusals_ = nullptr;
};

}  // namespace zonebridge::service
