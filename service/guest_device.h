// The device that a guest finds, and what it needs beside the disk: made in one place, whichever way
// the guest comes in.
//
// Threads: as service/backend.h.
// Ownership: what is made borrows the workers and the disks.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include <tl/expected.hpp>

#include "service/disk.h"
#include "service/units.h"
#include "service/worker.h"
#include "virtio/backend.h"
#include "zbc/logical_unit.h"
#include "zone/status.h"

namespace zonebridge::service {

/// A disk and the number it has: of a logical unit on target 0, or 0.
struct NumberedDisk {
    std::uint16_t lun = 0;
    std::string device;  ///< As it was named.
    Disk* disk = nullptr;
    zbc::LogicalUnit* unit = nullptr;  ///< What the guest talks to; GuestDeviceKind::scsi only.
};

/// What the guest's way in drives, and what its owner may do to it meanwhile.
struct GuestDevice {
    std::unique_ptr<virtio::Backend> backend;
    Units* units = nullptr;  ///< Lives in `backend`; null for blk.
};

/// `disks`: opened as that kind; exactly one for blk, any number for scsi. `workers`: at least one;
/// more than `queues`, the request queues, have nothing to do.
[[nodiscard]] tl::expected<GuestDevice, Error> make_guest_device(
    GuestDeviceKind kind, std::span<const NumberedDisk> disks, const Workers& workers,
    std::uint16_t queues);

/// The disk as a running device's Units::add takes it; GuestDeviceKind::scsi only.
[[nodiscard]] virtio_scsi::Unit unit_of(const NumberedDisk& numbered) noexcept;

}  // namespace zonebridge::service
