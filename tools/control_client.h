// The client of a server's control socket.
#pragma once

#include <string>

#include <tl/expected.hpp>

#include "service/control_protocol.h"
#include "tools/failure.h"

namespace zonebridge::tools {

/// Sends one request to the server that listens at `path`, and returns its answer. Waits as long as
/// the server works on it. The failure says that no server listens there, or what the server
/// refused and why.
[[nodiscard]] tl::expected<service::ControlAnswer, Failure> ask_server(
    const std::string& path, const service::ControlRequest& request);

}  // namespace zonebridge::tools
