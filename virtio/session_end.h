// How a vhost-user or VDUSE session ended.
#pragma once

#include <cstdint>
#include <string>

namespace zonebridge::virtio {

struct SessionEnd {
    enum class Reason : std::uint8_t {
        disconnected,  ///< The front end closed the connection; vhost-user only.
        stopped,       ///< The stop descriptor became readable.
        failed,        ///< `message` is the line for the log.
    };
    Reason reason;
    std::string message;
};

}  // namespace zonebridge::virtio
