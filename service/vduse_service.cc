#include "service/vduse_service.h"

#include <utility>

#include <fmt/format.h>

#include "service/bus_helper.h"
#include "service/log.h"
#include "service/vdpa_bus.h"
#include "virtio/vduse/record.h"
#include "virtio/vduse/session.h"

namespace zonebridge::service {
namespace {

namespace vduse = virtio::vduse;

Error failure(std::string message) {
    return {StatusCode::io_error, std::move(message), {}};
}

}  // namespace

tl::expected<void, Error> check_vduse(const VduseOptions& options) {
    if (const auto what = vduse::bad_name(options.name)) return tl::unexpected(failure(*what));
    if (const auto what = vduse::missing())
        return tl::unexpected(Error{StatusCode::unsupported, *what, {}});
    auto bus = VdpaBus::open();
    if (!bus) return tl::unexpected(bus.error());
    const auto device = bus->find(options.name);
    if (!device) return tl::unexpected(device.error());
    if (!*device) return {};
    if ((*device)->management != BusHelper::management)
        return tl::unexpected(
            failure(fmt::format("{}: the vDPA bus already has a device of that name, which is not "
                                "a VDUSE device (it belongs to {}): use another name",
                                options.name, (*device)->management)));
    // The disk may be mounted, or a guest may use it: a wrong option must not take it away.
    const VdpaDriver driver(options.name, options.attach);
    const auto bound = driver.bound();
    if (bound && bound != driver.wanted())
        return tl::unexpected(failure(fmt::format(
            "{}: the kernel has this device already, driven by {}, but '--attach {}' needs {}: "
            "give '--attach {}' to take the device over, or remove it first with 'vdpa dev del {}'",
            options.name, *bound, to_string(options.attach), driver.wanted(),
            to_string(other(options.attach)), options.name)));
    return {};
}

tl::expected<std::unique_ptr<OwnDeviceBus>, Error> open_bus(const VduseOptions& options,
                                                            bool in_process) {
    return open_own_device_bus(BusHelper::management, options.name, in_process);
}

std::string record_of(const VduseOptions& options) {
    return vduse::record_path(vduse::DeviceOptions{}.state_folder, options.name);
}

tl::expected<void, Error> run_vduse(const VduseOptions& options, virtio::Backend& backend,
                                    std::vector<std::byte> config,
                                    std::unique_ptr<OwnDeviceBus> bus, int stop,
                                    const VduseCalls& calls) {
    vduse::DeviceOptions device;
    device.name = options.name;
    device.config = std::move(config);
    auto session = vduse::Session::open(
        device, backend, [&](std::string_view text) { log("{}: {}", options.name, text); });
    if (!session) return tl::unexpected(failure(session.error()));

    const auto give_up = [&](Error error) {
        if (!(*session)->resumed()) (void)(*session)->destroy();
        return tl::unexpected(std::move(error));
    };
    if (auto open = calls.on_open(); !open) return give_up(std::move(open.error()));
    auto helper = BusHelper::start(std::move(bus), options, stop, calls);
    if (!helper) return give_up(std::move(helper.error()));
    const auto end = (*session)->run((*helper)->done_fd());
    const bool failed = end.reason == virtio::SessionEnd::Reason::failed;
    if (failed) log("{}: {}", options.name, end.message);
    auto outcome = (*helper)->finish();
    if (failed && outcome.result)
        outcome.result = tl::unexpected(failure(fmt::format(
            "{}: the device can't be served any longer: {}", options.name, end.message)));
    if (outcome.on_bus) return outcome.result;
    if (const auto destroyed = (*session)->destroy(); !destroyed && outcome.result)
        outcome.result = tl::unexpected(failure(destroyed.error()));
    return outcome.result;
}

}  // namespace zonebridge::service
