// The one stateless validation of a request against a device's limits. It runs once, at the seam
// (Queue::submit); checks that depend on a zone's state are left to the machine or the device.
#pragma once

#include "base/export.h"
#include "zone/limits.h"
#include "zone/request.h"
#include "zone/status.h"

ZONEBRIDGE_BEGIN_PUBLIC
namespace zonebridge {

/// Whether a device with these limits has the operation at all.
[[nodiscard]] bool offers(const Limits& limits, Operation operation) noexcept;

/// Whether [offset, offset + length) spans more than one zone and touches a sequential write
/// required zone. False for a range that is empty or reaches past the end, and on a disk without
/// zones.
[[nodiscard]] bool leaves_required_zone(const Layout& layout, std::uint64_t offset,
                                        std::uint64_t length) noexcept;

/// ok, or the first of: invalid_request, unsupported, read_only, misaligned, out_of_range,
/// too_large, not_sequential, crosses_boundary, read_crosses_boundary, unaligned_write (not whole
/// physical blocks into a sequential write required zone).
///
/// A write may span several conventional and sequential write preferred zones. It may not cross the
/// boundary of a sequential write required zone, nor run past the capacity of any zone. If the
/// limits forbid reads across zones, that too applies to sequential write required zones only
/// (ZBC's URSWRZ).
///
/// Discards and writes of zeroes may span several conventional and sequential write preferred
/// zones; writes of zeroes may not run past a capacity. They are unsupported if the range touches a
/// sequential write required zone, or if the limits do not offer them.
///
/// A zone action over a range is refused as a whole if a conventional zone is in the range
/// (not_sequential), or if the range begins at a zone's start and ends inside a zone
/// (invalid_request). Zone operations on a device without zones are unsupported, and so is FUA if
/// the device lacks it.
///
/// invalid_request also covers: FUA on an operation that writes no data, may_unmap on an operation
/// that writes no zeroes, Scope::all on an operation that is not a zone action, a length with
/// flush, report or Scope::all, and buffers on an operation that takes none.
[[nodiscard]] StatusCode check(const Limits& limits, const Request& request) noexcept;

}  // namespace zonebridge
ZONEBRIDGE_END_PUBLIC
