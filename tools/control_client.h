// The other end of a server's control socket.
//
// Threads: one.
// Ownership: owns its connection.
#pragma once

#include <string>

#include <tl/expected.hpp>

#include "tools/control_codec.h"
#include "tools/failure.h"

namespace zonebridge::tools {

/// One request to the server that listens at `path`, there and back. Waits as long as the server works
/// on it. The failure says who is not there, or what the server refused and why.
[[nodiscard]] tl::expected<ControlAnswer, Failure> ask_server(const std::string& path,
                                                              const ControlRequest& request);

}  // namespace zonebridge::tools
