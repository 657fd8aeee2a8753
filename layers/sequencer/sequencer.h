// The order of everything aimed at one sequential zone, over any bare device; and zone append where
// the hardware has none.
//
// Threads: the transport that is returned may be used from any thread, its queues each from their
// loop's.
// Ownership: the transport that is returned owns the one it is given.
#pragma once

#include <memory>

#include <tl/expected.hpp>

#include "zone/transport.h"

namespace zonebridge {

/// `device` with its sequential zones put in order. A device without sequential write required
/// zones comes back as it is.
[[nodiscard]] tl::expected<std::unique_ptr<Transport>, Error> sequence(
    std::unique_ptr<Transport> device);

}  // namespace zonebridge
