// What a ZBC initiator is told when a request to the model ended with a StatusCode.
//
// Threads: a pure function.
// Ownership: none.
#pragma once

#include <optional>

#include "zbc/sense.h"
#include "zone/request.h"
#include "zone/status.h"

namespace zonebridge::zbc {

/// The sense data for `code` after `operation`; nothing where ZBC calls it success: ok, and the
/// OPEN or CLOSE of a zone that has nothing to open or close (ZBC-2 "OPEN ZONE command": a FULL
/// zone is left as it is without error; "CLOSE ZONE command": so are EMPTY and FULL ones).
[[nodiscard]] std::optional<Sense> sense_for(StatusCode code, Operation operation) noexcept;

}  // namespace zonebridge::zbc
