// A disk that misbehaves on purpose, for those who test zoned software: any transport, with rules
// of when which requests fail or are late, and which zones go bad.
//
// Threads: the transport that is returned may be used from any thread, its queues each from their
// loop's.
// Ownership: the transport that is returned owns the one it is given; it borrows the witness, which
// outlives it.
#pragma once

#include <memory>
#include <vector>

#include <tl/expected.hpp>

#include "layers/fault/rule.h"
#include "zone/transport.h"

namespace zonebridge::fault {

/// Told of what happens on purpose, so that nobody takes it for the disk's own doing.
class Witness {
  public:
    /// `rule` acts for the first time. Once a rule; on any thread, in the middle of a request.
    virtual void rule_acts(const Rule& rule) noexcept = 0;

  protected:
    ~Witness() = default;
};

/// `disk` under these rules; as it is if there are none. Put it over the sequencer: what it holds
/// back is an answer, never a request, so that the order in a zone stays as it is. Refused:
/// a rule that can never act on this disk (find_fault).
///
/// - Every rule counts what matches it, whatever the others do. A disk that is gone comes first,
///   then zones' states, then errors, the first rule's; of several latencies the longest counts.
/// - A zone made read-only or offline looks so in reports, and reads, writes and actions meet it
///   as zone/machine has it. The zone below is left as it is: it still counts among those that are
///   open or active there, and is back in a transport without the rule.
/// - A request that fails on purpose does not reach the disk; but an append, whose place is known
///   only afterwards, fails for a bad spot after it was written.
/// - A request that is late has been carried out when its answer is held back. Requests behind it,
///   also in its zone, are answered meanwhile.
[[nodiscard]] tl::expected<std::unique_ptr<Transport>, Error> inject(
    std::unique_ptr<Transport> disk, std::vector<Rule> rules, Witness* witness = nullptr);

}  // namespace zonebridge::fault
