// Notifies the service manager that started this program, if there is one.
#pragma once

#include <string_view>

namespace zonebridge::tools {

/// Sends `state` ("READY=1") to the socket that NOTIFY_SOCKET names, as sd_notify(3) does. Does
/// nothing without such a socket, or if it has no listener.
void notify_manager(std::string_view state) noexcept;

}  // namespace zonebridge::tools
