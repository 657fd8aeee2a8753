// Makes the device that a guest sees, in the same way for vhost-user and VDUSE.
//
// Threads: as service/backend.h.
// Ownership: the device borrows the workers and the disks.
#pragma once

#include <cstdint>
#include <functional>
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

/// A disk and its number: that of a logical unit on target 0, or 0.
struct NumberedDisk {
    std::uint16_t lun = 0;
    std::string device;  ///< As the user named it.
    GuestDisk* disk = nullptr;
    zbc::LogicalUnit* unit =
        nullptr;  ///< The logical unit that the guest uses; GuestDeviceKind::scsi only.
};

/// The device that a session drives, and the access to its units while it runs.
struct GuestDevice {
    std::unique_ptr<virtio::Backend> backend;
    Units* units = nullptr;  ///< Lives in `backend`; null for blk.
    /// Tells the guest that the disk of this number has another size. Any thread.
    std::function<void(std::uint16_t lun)> resized;
};

/// `disks`: opened as that kind; exactly one for blk, any number for scsi. `workers`: at least one;
/// more workers than `queues`, the request queues, stay idle.
[[nodiscard]] tl::expected<GuestDevice, Error> make_guest_device(
    GuestDeviceKind kind, std::span<const NumberedDisk> disks, const Workers& workers,
    std::uint16_t queues);

/// The disk as Units::add of a running device takes it; GuestDeviceKind::scsi only.
[[nodiscard]] virtio_scsi::Unit unit_of(const NumberedDisk& numbered) noexcept;

}  // namespace zonebridge::service
