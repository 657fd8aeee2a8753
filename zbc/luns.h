// What a SCSI target answers for itself, whichever logical unit number a command names: its list of
// logical units, and that there is nothing behind a number.
//
// Threads: pure functions.
// Ownership: none; a task's buffers are used during the call only.
#pragma once

#include <cstdint>
#include <span>

#include "zbc/logical_unit.h"

namespace zonebridge::zbc {

/// A logical unit number (up to 16383) in its eight-byte form, single level (SAM-5 4.7): peripheral
/// device addressing below 256, flat space addressing from there on.
[[nodiscard]] std::uint64_t encode_lun(std::uint16_t number) noexcept;

/// Does `task` on behalf of the target: REPORT LUNS with the numbers in `luns` (as of encode_lun);
/// INQUIRY and REQUEST SENSE as for a number with no logical unit; CHECK CONDITION 5/25/00 LOGICAL
/// UNIT NOT SUPPORTED for all others (SPC-4 "incorrect logical unit selection").
[[nodiscard]] TaskResult answer_for_target(const Task& task,
                                           std::span<const std::uint64_t> luns) noexcept;

}  // namespace zonebridge::zbc
