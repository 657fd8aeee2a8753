// Reports a disk's refusals and failures, with the state of the zone, to a sink.
//
// Threads: the returned transport may be used from any thread, each of its queues from its loop's
// thread.
// Ownership: the returned transport owns `disk`; it borrows the sink, which outlives it.
#pragma once

#include <memory>

#include "zone/refusal.h"
#include "zone/transport.h"

namespace zonebridge {

/// Returns a transport over `disk` that reports to `sink` each request that zone/check or the disk
/// refused, or that failed. If the sink wants it, the queue first asks the disk for the request's
/// zone, before the completion is handed out: so the submitter can't have changed the zone in
/// reaction to the completion. Only a few completions are held back at a time; failures beyond
/// those are reported without their zone.
///
/// The lower transport sees these zone reports as ordinary requests.
[[nodiscard]] std::unique_ptr<Transport> trace_refusals(std::unique_ptr<Transport> disk,
                                                        RefusalSink& sink);

}  // namespace zonebridge
