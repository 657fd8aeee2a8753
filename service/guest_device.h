// The device that a guest finds, and what it needs beside the disk: made in one place, whichever way
// the guest comes in.
//
// Threads: as service/backend.h.
// Ownership: a GuestDevice owns its parts and borrows the workers and the disk.
#pragma once

#include <cstdint>
#include <memory>

#include <tl/expected.hpp>

#include "service/worker.h"
#include "virtio/backend.h"
#include "zbc/logical_unit.h"
#include "zone/status.h"
#include "zone/transport.h"

namespace zonebridge::service {

/// What the guest finds the disk as.
enum class GuestDeviceKind : std::uint8_t {
    scsi,  ///< A logical unit of a virtio-scsi controller.
    blk,   ///< A virtio-blk device.
};

struct GuestDeviceOptions {
    bool read_only = false;
    std::uint16_t queues = 1;  ///< Request queues.
};

struct GuestDevice {
    std::unique_ptr<zbc::LogicalUnit> unit;  // scsi only
    std::unique_ptr<virtio::Backend> backend;
};

/// How many workers a device of that kind can use: a virtio-scsi device has one, since what its control
/// queue manages is in flight on that worker alone.
[[nodiscard]] unsigned most_workers(GuestDeviceKind kind, std::uint16_t queues) noexcept;

/// `workers`: at least one, at most most_workers.
[[nodiscard]] tl::expected<GuestDevice, Error> make_guest_device(GuestDeviceKind kind,
                                                                 Transport& disk,
                                                                 const Workers& workers,
                                                                 const GuestDeviceOptions& options);

}  // namespace zonebridge::service
