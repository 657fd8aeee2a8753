// Keeps the order of requests to one sequential zone, over any bare device, and emulates zone
// append if the hardware lacks it.
//
// Threads: the returned transport may be used from any thread, each of its queues from its loop's
// thread.
// Ownership: the returned transport owns `device`.
#pragma once

#include <memory>

#include <tl/expected.hpp>

#include "zone/transport.h"

namespace zonebridge {

/// Returns a transport over `device` that keeps its sequential zones in order. Returns a device
/// without sequential write required zones unchanged.
[[nodiscard]] tl::expected<std::unique_ptr<Transport>, Error> sequence(
    std::unique_ptr<Transport> device);

}  // namespace zonebridge
