// NVMe completion statuses, and what they mean in the model.
//
// Threads: pure functions.
// Ownership: none.
#pragma once

#include <cstdint>

#include "zone/status.h"

namespace zonebridge::zns {

/// `status`: the completion's status field as Linux hands it to user space, without the phase bit:
/// bits 7:0 code, 10:8 type, the rest flags, which do not matter here. (NVMe Base Specification,
/// "Status Field"; ZNS Command Set Specification, "Status Values".)
[[nodiscard]] Status status_of(std::uint16_t status) noexcept;

}  // namespace zonebridge::zns
