// Closes descriptors that a peer sent. Closing the last descriptor of a file can wait for the peer:
// for the data of a socket that lingers, for the answer of a file system that the peer serves, and
// for every file that waits in a socket's queue.
//
// Threads: any. What may wait is closed on a thread of its own, which outlives the call if it has to.
#pragma once

#include <chrono>
#include <vector>

#include "base/unique_fd.h"

namespace zonebridge::virtio {

/// How long discard() waits for descriptors that do not close at once.
inline constexpr std::chrono::milliseconds discard_patience{1'000};

/// False: some are not closed yet. Then they still count against the limit of this process, and the
/// peer should get no further chance to send such.
[[nodiscard]] bool discard(std::vector<UniqueFd> fds,
                           std::chrono::milliseconds patience = discard_patience);

}  // namespace zonebridge::virtio
