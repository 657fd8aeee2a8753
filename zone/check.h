// The one stateless validation of a request against a device's limits. It runs once, at the seam
// (Queue::submit); what depends on a zone's state is the machine's or the device's to say.
#pragma once

#include "base/export.h"
#include "zone/limits.h"
#include "zone/request.h"
#include "zone/status.h"

ZONEBRIDGE_BEGIN_PUBLIC
namespace zonebridge {

/// Whether a device with these limits has the operation at all.
[[nodiscard]] bool offers(const Limits& limits, Operation operation) noexcept;

/// Whether [offset, offset + length) leaves one zone for another and touches a sequential write
/// required zone. False for a range that is empty or reaches past the end, and on a disk without
/// zones.
[[nodiscard]] bool leaves_required_zone(const Layout& layout, std::uint64_t offset,
                                        std::uint64_t length) noexcept;

/// ok, or the first of: invalid_request, unsupported, read_only, misaligned, out_of_range,
/// too_large, not_sequential, crosses_boundary, read_crosses_boundary, unaligned_write (not whole
/// physical blocks into a sequential write required zone).
///
/// Writes may run over several conventional and sequential write preferred zones, never into,
/// within and out of a sequential write required zone, and never past the capacity of any. Where
/// reads may not leave their zone, that too binds sequential write required zones alone (ZBC's
/// URSWRZ).
///
/// Discards and writes of zeroes may run over several conventional and sequential write preferred
/// zones, the latter never past a capacity; a range that touches a sequential write required zone is
/// unsupported, as they are where the limits do not have them.
///
/// A zone action over a range is refused as a whole if a conventional zone is in it
/// (not_sequential), or if it begins at a zone's start and ends inside a zone (invalid_request).
/// Zone operations on a device without zones are unsupported, as is FUA where it is absent.
///
/// invalid_request are also: FUA on what writes no data, may_unmap on what writes no zeroes,
/// Scope::all on what is no zone action, a length with flush, report or Scope::all, and buffers where
/// none belong.
[[nodiscard]] StatusCode check(const Limits& limits, const Request& request) noexcept;

}  // namespace zonebridge
ZONEBRIDGE_END_PUBLIC
