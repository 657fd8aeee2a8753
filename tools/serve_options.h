// The command line of `zonebridge serve`.
//
// Threads: the main thread.
// Ownership: the arguments are shared between the verb and the options' own callbacks.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "service/serve.h"
#include "tools/session.h"

namespace CLI {
class App;
}

namespace zonebridge::tools {

struct ServeArguments {
    service::ServeOptions serve;
    DeviceArguments device;  ///< An empty name: none was given.
    std::optional<service::GuestDeviceKind> guest_device;
    std::optional<std::string> vduse;
    std::optional<service::VdpaAttach> attach;
    std::optional<std::uint16_t> queues;
    bool print_capabilities = false;
};

/// DEVICE and every option of the verb; what one value has to do with another is not looked at yet.
void add_serve_options(CLI::App& app, const std::shared_ptr<ServeArguments>& arguments);

}  // namespace zonebridge::tools
