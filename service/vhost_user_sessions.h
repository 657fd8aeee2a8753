// Guests by vhost-user: one front end's session after another, over the sockets that a listener gives.
//
// Threads: the calling thread runs the sessions.
// Ownership: borrows the listener and the device.
#pragma once

#include <tl/expected.hpp>

#include "virtio/backend.h"
#include "virtio/vhost_user/listener.h"
#include "zone/status.h"

namespace zonebridge::service {

/// Until `stop` is readable or there can't be another session. What ends a session goes to the log;
/// only what ends them all is returned.
[[nodiscard]] tl::expected<void, Error> run_vhost_user_sessions(virtio::Listener& listener,
                                                                virtio::Backend& backend, int stop);

}  // namespace zonebridge::service
