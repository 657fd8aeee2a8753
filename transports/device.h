// Options for opening a real device.
#pragma once

#include <cstdint>
#include <string>

#include "base/export.h"

ZONEBRIDGE_BEGIN_PUBLIC
namespace zonebridge {

/// How a passed-through command reaches the kernel.
enum class DataPath : std::uint8_t {
    any,       ///< The best one that this kernel and device have.
    ioctl,     ///< A blocking system call for each command, on the queue's threads.
    io_uring,  ///< Commands submitted to the ring.
};

struct DeviceOptions {
    bool writable = false;
    /// Also write to a disk that is partitioned or open elsewhere, never to one that is held.
    bool force = false;
    DataPath data_path = DataPath::any;
    std::string reason;  ///< For Identity::reason.
};

}  // namespace zonebridge
ZONEBRIDGE_END_PUBLIC
