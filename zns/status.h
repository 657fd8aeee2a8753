// NVMe completion statuses, and their meaning in the model.
#pragma once

#include <cstdint>
#include <string_view>

#include "zone/request.h"
#include "zone/status.h"

namespace zonebridge::zns {

/// `status`: the completion's status field as Linux hands it to user space, without the phase bit:
/// bits 7:0 code, 10:8 type, the rest flags, which are ignored. `operation`: the completed
/// operation, because a read that crosses a boundary gets another code than a write. (NVMe Base
/// Specification, "Status Field"; NVM and ZNS Command Set Specifications, "Status Values".)
[[nodiscard]] Status status_of(std::uint16_t status, Operation operation) noexcept;

/// The status in the standards' words ("Zone Is Full"); empty for a status not in the table.
[[nodiscard]] std::string_view words_of(std::uint16_t status) noexcept;

}  // namespace zonebridge::zns
