// What an initiator is told of a command that was passed through: the disk's own status, sense and
// residual; or, where the kernel says that it did not get there or back, how it went astray.
#pragma once

#include <optional>

#include "transports/scsi/port.h"
#include "zbc/logical_unit.h"

namespace zonebridge::scsi {

/// How the command got there and back. A status of the disk's own comes before the kernel's byte
/// beside it; CHECK CONDITION without sense data does not. Never `done` for what the kernel did not
/// carry to its end.
[[nodiscard]] zbc::Delivery delivery_of(const Answer& answer) noexcept;

/// Fills in all but the tag. `length`: the bytes the command was to move in its direction. Sense data
/// come as they are, beside any status; so do the bytes that were moved, beside CHECK CONDITION too.
void deliver(const Answer& answer, Direction direction, std::uint32_t length,
             zbc::TaskResult& result) noexcept;

/// What initiators have to be told because of this end and the disk will not tell them: the kernel
/// that resets a disk after a time-out takes the unit attention of it for itself.
[[nodiscard]] bool was_reset(const Answer& answer) noexcept;

/// The attention to raise in place of one that a command of our own was answered with; nothing if
/// it was not.
[[nodiscard]] std::optional<zbc::Attention> taken_attention(const Answer& answer) noexcept;

}  // namespace zonebridge::scsi
