// Injects faults into any transport, for tests of zoned software: rules say which requests fail or
// are delayed, and which zones go bad.
//
// Threads: the returned transport may be used from any thread, each of its queues from its loop's
// thread.
// Ownership: the returned transport owns `disk`; it borrows the observer, which outlives it.
#pragma once

#include <memory>
#include <vector>

#include <tl/expected.hpp>

#include "layers/fault/rule.h"
#include "zone/transport.h"

namespace zonebridge::fault {

/// Returns `disk` with these rules applied, or `disk` itself if there are none. Put it over the
/// sequencer: it delays completions, never requests, so that the order in a zone is unchanged.
/// Refuses a rule that can never act on this disk (find_fault).
///
/// - Every rule counts the requests that match it, whatever the other rules do. A disk that is gone
///   takes precedence, then zones' states, then the error of the first rule; of several latencies
///   the longest counts.
/// - A zone made read-only or offline looks so in reports, and reads, writes and actions on it end
///   as in zone/machine. The zone of the lower transport is unchanged: it still counts as open or
///   active there, and a transport without the rule shows it as before.
/// - A request that a rule fails does not reach the disk; except that an append, whose position is
///   known only afterwards, fails for a bad spot after it was written.
/// - A delayed request has been carried out when its completion is held back. Later requests, also
///   of the same zone, complete meanwhile.
[[nodiscard]] tl::expected<std::unique_ptr<Transport>, Error> inject(
    std::unique_ptr<Transport> disk, std::vector<Rule> rules, Observer* observer = nullptr);

}  // namespace zonebridge::fault
