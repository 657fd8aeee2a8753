// How long a command to a disk may take before the kernel gives it up. A guest's driver may never
// give up, so every command is bounded here; the bounds are far above what a disk needs, as a
// time-out makes the kernel reset the disk under everybody.
//
// Threads: constants and a pure function.
#pragma once

#include <cstdint>

#include "zone/request.h"

namespace zonebridge::zbc {

/// A disk may try for long before it gives up on a sector.
inline constexpr std::uint32_t data_limit_ms = 60'000;
/// A full write cache of a shingled disk.
inline constexpr std::uint32_t flush_limit_ms = 120'000;
/// A report of a large disk that is asleep: it spins up first.
inline constexpr std::uint32_t report_limit_ms = 60'000;
/// What a disk answers out of its head.
inline constexpr std::uint32_t discovery_limit_ms = 30'000;
/// What goes over many sectors by one command: WRITE SAME, UNMAP, an extended copy.
inline constexpr std::uint32_t many_limit_ms = 30 * 60'000;
/// What goes over the whole medium and may have been told to answer only then: FORMAT UNIT,
/// SANITIZE, a long self test.
inline constexpr std::uint32_t medium_limit_ms = 7 * 24 * 3600'000;

/// FINISH may write the rest of a zone, and FINISH of all that of every open one; RESET of all
/// takes disks minutes too.
[[nodiscard]] constexpr std::uint32_t action_limit_ms(Operation operation, bool all) noexcept {
    if (all) return 30 * 60'000;
    return operation == Operation::finish ? 5 * 60'000 : 60'000;
}

}  // namespace zonebridge::zbc
