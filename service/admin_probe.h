// Whether the kernel takes a disk's commands without the capability CAP_SYS_ADMIN.
//
// Threads: any; changes the calling thread's capabilities for the time of the call.
#pragma once

#include "zone/transport.h"

namespace zonebridge::service {

/// False also if that can't be found out. Linux before 6.2 passes NVMe commands through for
/// CAP_SYS_ADMIN only, and later versions do so with commands that the drive does not describe: asks
/// for a zone, or reads a block of a disk without zones.
[[nodiscard]] bool works_without_admin(Transport& disk);

}  // namespace zonebridge::service
