// How long this program waits for a disk that may never answer.
#pragma once

#include <chrono>

namespace zonebridge::service {

/// For commands at a disk whose LUN is removed or opened again, and for all that remains to do
/// after SIGTERM. A command on a SCSI disk may take that long when the kernel has to try it again.
inline constexpr std::chrono::seconds disk_limit{30};

/// For the kernel to take a VDUSE disk off the vDPA bus, which writes out the disk's cached data.
inline constexpr std::chrono::seconds removal_limit{120};

/// A longer wait is logged, with what happens at its end.
inline constexpr std::chrono::seconds wait_without_word{5};

}  // namespace zonebridge::service
