// The SCSI target: a logical unit over any transport, translated through the zone model. A
// host-managed disk appears as a ZBC device (type 14h), a host-aware one as a disk with ZONED set,
// one without zones as a plain disk.
//
// Threads: any. A task queue belongs to its loop's thread.
// Ownership: borrows the transport, which outlives it.
#pragma once

#include <memory>

#include <tl/expected.hpp>

#include "zbc/logical_unit.h"
#include "zbc/unit.h"
#include "zone/status.h"
#include "zone/transport.h"

namespace zonebridge::zbc {

/// The commands are listed in docs/scsi-commands.md. A task queue opens one storage queue of its
/// depth. Reads and writes move between the task's buffers and the disk without a copy, are never
/// split, and reach the storage queue in the order of submission. An exception are reads with URSWRZ 0
/// on a disk that reads past the pointer: the target reports the zone before it reads. Fails on a disk
/// that describe_unit() refuses.
[[nodiscard]] tl::expected<std::unique_ptr<LogicalUnit>, Error> make_target(
    Transport& disk, const UnitOptions& options = {});

}  // namespace zonebridge::zbc
