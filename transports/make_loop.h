// Makes a loop for a thread, a Ring (transports/ring), without including io_uring.
//
// Threads: the loop belongs to the thread that makes it.
#pragma once

#include <memory>

#include <tl/expected.hpp>

#include "base/export.h"
#include "zone/loop.h"
#include "zone/status.h"

ZONEBRIDGE_BEGIN_PUBLIC
namespace zonebridge {

/// The loop for opening queues. Fails if the kernel has no io_uring, or refuses it.
[[nodiscard]] tl::expected<std::unique_ptr<Loop>, Error> make_loop(
    Loop::Use use = Loop::Use::turned);

}  // namespace zonebridge
ZONEBRIDGE_END_PUBLIC
