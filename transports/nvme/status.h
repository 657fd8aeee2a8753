// From Linux's answer to an NVMe command to a Status.
//
// Threads: a pure function.
// Ownership: none.
#pragma once

#include <cerrno>
#include <string_view>

#include "transports/nvme/port.h"
#include "zone/request.h"
#include "zone/status.h"

namespace zonebridge::nvme {

/// What an ioctl on a multipath node says when the last controller that leads there went.
inline constexpr int no_path = EAGAIN;
inline constexpr std::string_view no_path_words =
    "the namespace is gone: no controller leads to it any more; connect it again";

[[nodiscard]] Status status_of(const Answer& answer, Operation operation) noexcept;

}  // namespace zonebridge::nvme
