// Reports the disk's refusals of a guest's zone commands to a RefusalSink.
//
// Threads: blocks for one command; any thread.
// Ownership: borrows everything.
#pragma once

#include <optional>

#include "transports/scsi/discover.h"
#include "transports/scsi/port.h"
#include "zbc/passthrough.h"
#include "zbc/sense.h"
#include "zone/refusal.h"

namespace zonebridge::scsi {

/// Whether looking up the zone is worthwhile: a read, a write or a zone action broke a rule about
/// zones.
[[nodiscard]] bool is_zone_refusal(const zbc::Plan& plan, const Answer& answer) noexcept;

/// Asks the disk for the zone by one command through `port`, and reports to `sink`. Returns a unit
/// attention that this command received in the guest's place, to be raised.
[[nodiscard]] std::optional<zbc::Attention> explain(Port& port, const DiskFacts& disk,
                                                    const zbc::Plan& plan, const Answer& answer,
                                                    RefusalSink& sink) noexcept;

}  // namespace zonebridge::scsi
