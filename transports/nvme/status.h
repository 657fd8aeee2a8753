// Converts Linux's answer to an NVMe command to a Status.
#pragma once

#include <cerrno>
#include <string_view>

#include "transports/nvme/port.h"
#include "zone/request.h"
#include "zone/status.h"

namespace zonebridge::nvme {

/// The errno of an ioctl on a multipath node after its last controller went away.
inline constexpr int no_path = EAGAIN;
inline constexpr std::string_view no_path_words =
    "the namespace is gone: no controller leads to it any more; connect it again";

[[nodiscard]] Status status_of(const Answer& answer, Operation operation) noexcept;

}  // namespace zonebridge::nvme
