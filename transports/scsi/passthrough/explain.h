// What a disk refused of what a guest asked its zones for, told to whoever writes it down.
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

/// Whether it is worth a look at the zone: a rule about zones was broken by a read, a write or a zone
/// action.
[[nodiscard]] bool is_zone_refusal(const zbc::Plan& plan, const Answer& answer) noexcept;

/// Asks the disk for the zone by one command through `port`, and tells `sink`. A unit attention
/// that this command is answered with in the guest's place comes back, to be raised.
[[nodiscard]] std::optional<zbc::Attention> explain(Port& port, const Disk& disk,
                                                    const zbc::Plan& plan, const Answer& answer,
                                                    RefusalSink& sink) noexcept;

}  // namespace zonebridge::scsi
