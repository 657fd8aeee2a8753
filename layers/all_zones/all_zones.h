// Actions on all zones for a disk without them: a transport over a transport whose limits lack some
// of them (Limits::native_all).
//
// Threads: the returned transport may be used from any thread, its queues each from their loop's.
// Ownership: the returned transport owns the one that it is given.
#pragma once

#include <memory>

#include "zone/transport.h"

namespace zonebridge {

/// `disk` with every action on all zones; `disk` itself if it has them, or has no zones. A queue
/// carries out one such action at a time.
[[nodiscard]] std::unique_ptr<Transport> complete_all(std::unique_ptr<Transport> disk);

}  // namespace zonebridge
