// The result of a passed-through command for the initiator: the disk's own status, sense and
// residual; or, if the kernel says that the command or its answer was lost, how.
#pragma once

#include <optional>

#include "transports/scsi/port.h"
#include "zbc/logical_unit.h"

namespace zonebridge::scsi {

/// How the command was delivered. The disk's status takes precedence over the kernel's byte, except
/// for CHECK CONDITION without sense data. Never `done` if the kernel did not complete the command.
[[nodiscard]] zbc::Delivery delivery_of(const Answer& answer) noexcept;

/// Fills in everything but the tag. `length`: the bytes that the command was to move in its
/// direction. Sense data and moved bytes are passed on with any status, bytes with CHECK CONDITION
/// too.
void deliver(const Answer& answer, Direction direction, std::uint32_t length,
             zbc::TaskResult& result) noexcept;

/// Whether the disk was reset without telling initiators: a kernel that resets a disk after a
/// time-out consumes the resulting unit attention.
[[nodiscard]] bool was_reset(const Answer& answer) noexcept;

/// The attention to raise in place of one that answered a command of Zonebridge's own; empty if
/// there was none.
[[nodiscard]] std::optional<zbc::Attention> taken_attention(const Answer& answer) noexcept;

}  // namespace zonebridge::scsi
