// Why a request was refused or failed, in one sentence for a person: what was asked for, how the
// zone stood, and the rule that was broken.
#pragma once

#include <string>

#include "zone/limits.h"
#include "zone/refusal.h"

namespace zonebridge::service {

/// "refused: write of 8 KiB at 64 MiB + 12 KiB: zone 4 is implicit-open with its write pointer at
/// 64 MiB + 8 KiB, and a sequential write required zone takes writes only there". What has failed
/// begins with "failed:", and ends with the native cause where there is one. `limits`: the disk's,
/// without which some numbers are left out; may be null.
[[nodiscard]] std::string explain_refusal(const Refusal& refusal, const Limits* limits);

}  // namespace zonebridge::service
