// What a zone shows of a request that a process took and never answered before it died: whether it
// was carried out. Pure functions; the front ends ask the disk and act (docs/decisions/inflight.md).
#pragma once

#include <cstdint>

#include "zone/request.h"
#include "zone/types.h"

namespace zonebridge {

enum class Shown : std::uint8_t {
    not_done,  ///< The request was not carried out, or would be carried out again without harm.
    perhaps,   ///< A write: it was carried out if the bytes at its place are its own.
    in_part,   ///< A write: as far as the pointer, if the bytes up to there are its own.
    unknown,   ///< Something else changed the zone.
};

/// A write of `length` bytes at `offset`, which lies in `zone`, a sequential write required zone.
/// The pointer alone does not show that the write was done: an append to that place moves the
/// pointer as well, and a finish fills the zone.
[[nodiscard]] Shown shown_of_write(const Zone& zone, std::uint64_t offset,
                                   std::uint64_t length) noexcept;

/// Whether a zone in this state is as `action` leaves it, so that there is nothing left to do.
/// Requires is_zone_action(action).
[[nodiscard]] bool shows_action(ZoneState state, Operation action) noexcept;

}  // namespace zonebridge
