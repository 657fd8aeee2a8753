// The command line of `zonebridge serve`.
//
// Ownership: the verb and the options' callbacks share the arguments.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>

#include "service/serve.h"
#include "tools/disk_client.h"

namespace CLI {
class App;
}

namespace zonebridge::tools {

struct ServeArguments {
    service::ServeOptions serve;
    DeviceArguments device;  ///< The name is empty if none was given.
    std::optional<service::GuestDeviceKind> guest_device;
    std::optional<std::string> vduse;
    std::optional<service::VdpaAttach> attach;
    std::optional<std::uint16_t> queues;
    std::optional<std::chrono::milliseconds> first_message;  ///< 0: no limit.
    std::optional<service::SecondFrontEnd> second_front_end;
    std::optional<mode_t> socket_mode;
    std::optional<gid_t> socket_group;
    bool print_capabilities = false;
};

/// Adds DEVICE and every option of the verb; does not check combinations of options.
void add_serve_options(CLI::App& app, const std::shared_ptr<ServeArguments>& arguments);

}  // namespace zonebridge::tools
