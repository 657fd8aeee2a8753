// A loop for a thread that has none of its own, without io_uring in sight.
//
// Threads: the loop belongs to the thread that makes it.
// Ownership: the caller owns the loop.
#pragma once

#include <memory>

#include <tl/expected.hpp>

#include "base/export.h"
#include "zone/loop.h"
#include "zone/status.h"

ZONEBRIDGE_BEGIN_PUBLIC
namespace zonebridge {

/// The loop that queues are opened on. Fails where the kernel has no io_uring, or refuses it.
[[nodiscard]] tl::expected<std::unique_ptr<Loop>, Error> make_loop();

}  // namespace zonebridge
ZONEBRIDGE_END_PUBLIC
