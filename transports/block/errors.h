// Maps a block device's errno to a StatusCode.
#pragma once

#include "zone/status.h"

namespace zonebridge::block {

/// The code for an error of a block device's read, write, flush or zone ioctl. Covers every entry
/// of the kernel's table of errors (blk_errors in block/blk-core.c). An operation that a zone's
/// state forbids fails with plain EIO: only a new report of the zone tells more.
[[nodiscard]] StatusCode code_of(int error) noexcept;

}  // namespace zonebridge::block
