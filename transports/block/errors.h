// What errno of a block device means.
#pragma once

#include "zone/status.h"

namespace zonebridge::block {

/// The code of an error that a block device's read, write, flush or zone ioctl gave. The kernel's
/// block layer has one table of how requests end (blk_errors in block/blk-core.c); each of its
/// entries has its place here. Anything a zone's state forbids comes as plain EIO: the zone has to
/// be reported again to know more.
[[nodiscard]] StatusCode code_of(int error) noexcept;

}  // namespace zonebridge::block
