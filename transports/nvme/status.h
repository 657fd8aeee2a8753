// From Linux's answer to an NVMe command to a Status.
//
// Threads: a pure function.
// Ownership: none.
#pragma once

#include "transports/nvme/port.h"
#include "zone/request.h"
#include "zone/status.h"

namespace zonebridge::nvme {

[[nodiscard]] Status status_of(const Answer& answer, Operation operation) noexcept;

}  // namespace zonebridge::nvme
