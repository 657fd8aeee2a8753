// Why a request was refused or failed, in one sentence for a person: the request, the state of the
// zone, and the rule that was broken.
#pragma once

#include <string>

#include "zone/limits.h"
#include "zone/refusal.h"

namespace zonebridge::service {

/// "refused: write of 8 KiB at 64 MiB + 12 KiB: zone 4 is implicit-open with its write pointer at
/// 64 MiB + 8 KiB, and a sequential write required zone takes writes only there". A failed
/// request's sentence begins with "failed:", and ends with the native cause if there is one.
/// `limits`: the disk's; may be null, then some numbers are left out.
[[nodiscard]] std::string explain_refusal(const Refusal& refusal, const Limits* limits);

}  // namespace zonebridge::service
