// What the transports of real devices are opened with.
//
// Ownership: owns its text.
#pragma once

#include <cstdint>
#include <string>

#include "base/export.h"

ZONEBRIDGE_BEGIN_PUBLIC
namespace zonebridge {

/// How a passed-through command reaches the kernel.
enum class DataPath : std::uint8_t {
    any,       ///< The better one this kernel and this device have.
    ioctl,     ///< A blocking system call a command, on threads of the queue.
    io_uring,  ///< Commands in the ring.
};

struct DeviceOptions {
    bool writable = false;
    /// Write also to what is partitioned, mounted or held by another.
    bool force = false;
    DataPath data_path = DataPath::any;
    std::string reason;  ///< For Identity::reason.
};

}  // namespace zonebridge
ZONEBRIDGE_END_PUBLIC
