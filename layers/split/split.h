// Reads and writes that are longer than a disk transfers at once, or in more buffers than it takes:
// a transport over a transport that carries them out in pieces (docs/decisions/large-requests.md).
//
// Threads: the returned transport may be used from any thread, its queues each from their loop's.
// Ownership: the returned transport owns the one that it is given.
#pragma once

#include <memory>

#include "zone/transport.h"

namespace zonebridge {

/// `disk` with reads and writes of any length; `disk` itself if it has them (Limits::any_length).
///
/// The pieces of a read run in parallel, and so do those of a write to conventional zones or to a
/// disk without zones. The pieces of any other write run in order, one at a time. In a sequential
/// write required zone, later writes and zone actions of this queue wait until the last piece has
/// ended. After a piece has failed no further
/// one is sent; the request ends with the status of the first piece, by position, that failed.
/// Appends are never split.
[[nodiscard]] std::unique_ptr<Transport> split_long_requests(std::unique_ptr<Transport> disk);

}  // namespace zonebridge
