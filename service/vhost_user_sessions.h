// Runs vhost-user sessions one after another, on the connections that a listener accepts.
#pragma once

#include <tl/expected.hpp>

#include "virtio/backend.h"
#include "virtio/vhost_user/listener.h"
#include "zone/status.h"

namespace zonebridge::service {

/// Returns when `stop` is readable or there can't be another session. Errors that end one session
/// go to the log; only errors that end serving are returned.
[[nodiscard]] tl::expected<void, Error> run_vhost_user_sessions(virtio::Listener& listener,
                                                                virtio::Backend& backend, int stop);

}  // namespace zonebridge::service
