// A word to the service manager that started us, where there is one.
#pragma once

#include <string_view>

namespace zonebridge::tools {

/// Sends `state` ("READY=1") to the socket that NOTIFY_SOCKET names, as sd_notify(3) does. Without
/// such a socket, and if nobody listens, nothing happens.
void notify_manager(std::string_view state) noexcept;

}  // namespace zonebridge::tools
