// A disk that is served, opened by the name a user gave it: as the model's transport for virtio-blk,
// as a logical unit for virtio-scsi, which is the disk itself where it speaks SCSI, and otherwise the
// target that translates.
//
// Threads: any, but for close().
// Ownership: owns the transport and the logical unit; whoever uses them is gone before it.
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

/// What the guest finds the disk as.
enum class GuestDeviceKind : std::uint8_t {
    scsi,  ///< A logical unit of a virtio-scsi controller.
    blk,   ///< A virtio-blk device.
};

struct DiskOptions {
    GuestDeviceKind kind = GuestDeviceKind::scsi;
    bool read_only = false;
    bool force = false;  ///< Serve also what is partitioned or held by another.
    DataPath data_path = DataPath::any;
    bool translate = false;  ///< A SCSI disk, too, by the target that translates.
    /// Commands let through to a SCSI disk beside those that always are.
    std::vector<std::string> allow;
    /// URSWRZ as the guest sees it, if not as the disk has it; translated logical units only.
    std::optional<bool> reads_past_pointer;
    /// How the disk is to misbehave; not what is passed through.
    std::vector<fault::Rule> faults;
    fault::Witness* witness = nullptr;  ///< Hears of it; outlives the disk. May be null.
    RefusalSink* refusals = nullptr;  ///< Hears of what is refused; outlives the disk. May be null.
};

class Disk {
    struct Private {};

  public:
    /// `name` as transports/open.h takes it.
    [[nodiscard]] static tl::expected<std::unique_ptr<Disk>, Error> open(
        const std::string& name, const DiskOptions& options);
    explicit Disk(Private) {}

    [[nodiscard]] const Limits& limits() const noexcept;
    [[nodiscard]] const Identity& identity() const noexcept;
    /// Whether the guest talks to the disk itself.
    [[nodiscard]] bool passed_through() const noexcept { return passed_ != nullptr; }
    /// As the options had it.
    [[nodiscard]] RefusalSink* refusals() const noexcept { return refusals_; }
    /// GuestDeviceKind::blk only.
    [[nodiscard]] Transport& transport() noexcept { return *transport_; }
    /// GuestDeviceKind::scsi only.
    [[nodiscard]] zbc::LogicalUnit& unit() noexcept;

    /// Leaves the disk clean: what is in its cache is written. Nothing uses it any more.
    [[nodiscard]] tl::expected<void, Error> close();

  private:
    std::unique_ptr<Transport> transport_;      // or else passed_
    std::unique_ptr<zbc::LogicalUnit> target_;  // over transport_
    std::unique_ptr<scsi::PassedDisk> passed_;
    RefusalSink* refusals_ = nullptr;
};

}  // namespace zonebridge::service
