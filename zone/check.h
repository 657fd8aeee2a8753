// The one stateless validation of a request against a device's limits. It runs once, at the seam
// (Queue::submit); what depends on a zone's state is the machine's or the device's to say.
//
// Threads: a pure function.
// Ownership: none.
#pragma once

#include "zone/limits.h"
#include "zone/request.h"
#include "zone/status.h"

namespace zonebridge {

/// ok, or the first of: invalid_request, unsupported, read_only, misaligned, out_of_range,
/// too_large, not_sequential, crosses_boundary, read_crosses_boundary, unaligned_write (not whole
/// physical blocks into a sequential write required zone).
///
/// Writes may run over several conventional zones, never into, within and out of, or past the
/// capacity of, a sequential zone. Zone operations on a device without zones are unsupported.
[[nodiscard]] StatusCode check(const Limits& limits, const Request& request) noexcept;

}  // namespace zonebridge
