// A disk whose refusals are written down: any transport, over which every request that ends badly
// is told to a sink, with the state its zone was in.
//
// Threads: the transport that is returned may be used from any thread, its queues each from their
// loop's.
// Ownership: the transport that is returned owns the one it is given; it borrows the sink, which
// outlives it.
#pragma once

#include <memory>

#include "zone/refusal.h"
#include "zone/transport.h"

namespace zonebridge {

/// `disk` with a queue over each of its queues that tells `sink` of what zone/check or the disk
/// refused and what failed. If the sink wants it, the request's zone is asked for first, through
/// the same queue and before the completion is handed out: whoever submitted the request can't have
/// changed the zone in reaction to it yet. A few completions are held back like that at a time;
/// what fails beside them is told without its zone.
///
/// Those reports are requests like any other to what lies below.
[[nodiscard]] std::unique_ptr<Transport> explain_refusals(std::unique_ptr<Transport> disk,
                                                          RefusalSink& sink);

}  // namespace zonebridge
