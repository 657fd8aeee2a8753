// Between a StatusCode and sense data, both ways, in one table: what a ZBC initiator is told when a
// request to the model ended, and what a ZBC disk's sense data mean to the model.
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

/// What `sense` says of a command that `operation` was sent as. NO SENSE and RECOVERED ERROR are
/// ok: the command did what was asked. What the table does not have goes by its sense key. 5/24/00
/// (INVALID FIELD IN CDB) is what ZBC says of a FULL zone to a write, and of a zone without a write
/// pointer to an action.
[[nodiscard]] StatusCode status_of(const Sense& sense, Operation operation) noexcept;

}  // namespace zonebridge::zbc
