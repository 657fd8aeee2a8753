// zonebridge serve: a disk for virtual machines.
#include "service/serve.h"

#include <cerrno>
#include <fcntl.h>
#include <memory>
#include <unistd.h>

#include <climits>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tools/files.h"
#include "tools/notify.h"
#include "tools/verb.h"
#include "transports/size.h"

namespace zonebridge::tools {
namespace {

struct Options {
    service::ServeOptions serve;
    std::optional<DeviceArguments> device;
    std::optional<std::string> front_end;
    bool print_capabilities = false;
};

/// QEMU takes a comma in an option's value when it is doubled.
std::string for_qemu(std::string_view value) {
    std::string text;
    for (const auto character : value) {
        text += character;
        if (character == ',') text += ',';
    }
    return text;
}

std::string describe(const Transport& transport) {
    const auto& limits = transport.limits();
    const auto& layout = limits.layout;
    if (layout.zone_count() == 0) return readable_size(layout.size()) + ", no zones";
    return fmt::format("{}, {}, {} zones of {}", readable_size(layout.size()),
                       to_string(limits.model), layout.zone_count(),
                       exact_size(layout.zone_size()));
}

/// Says that front ends may connect, and how: to whoever reads our output, and to the manager.
void announce(const service::ServeOptions& options, const Transport& transport) {
    const auto place =
        options.socket ? *options.socket : fmt::format("inherited file descriptor {}", *options.fd);
    Output out(STDOUT_FILENO);
    if (options.socket)
        out.print(
            "qemu: -object memory-backend-memfd,id=mem,size=1G,share=on -machine "
            "memory-backend=mem -m 1G -chardev socket,id=zonebridge,path={} -device "
            "vhost-user-scsi-pci,chardev=zonebridge\n",
            one_line(for_qemu(*options.socket)));
    out.print("ready: {} ({}{}) at {}\n", one_line(options.device), describe(transport),
              options.read_only ? ", read-only" : "", one_line(place));
    // Nobody may be reading; the disk is served all the same.
    (void)out.flush();
    notify_manager(fmt::format("READY=1\nSTATUS=Serving {} at {}\n", one_line(options.device),
                               one_line(place)));
}

Outcome print_capabilities() {
    Output out(STDOUT_FILENO);
    out.print("{}\n", nlohmann::json{{"type", "scsi"}}.dump(2));
    if (const auto flushed = out.flush(); !flushed)
        return tl::unexpected(failure_of(flushed.error()));
    return {};
}

Outcome run(Options options) {
    if (options.print_capabilities) return print_capabilities();
    if (!options.device) return tl::unexpected(misuse("DEVICE is required"));
    if (!options.front_end)
        return tl::unexpected(misuse("--virtio is required: as which device? scsi"));
    if (!options.serve.socket && !options.serve.fd)
        return tl::unexpected(misuse("where? Give one of --socket and --fd"));
    if (options.serve.socket && options.serve.fd)
        return tl::unexpected(misuse("--socket and --fd exclude each other: give one"));
    // Before anything else is opened and takes the number.
    if (options.serve.fd && ::fcntl(*options.serve.fd, F_GETFD) < 0)
        return tl::unexpected(failure_of(
            os_failure(errno, fmt::format("--fd: file descriptor {}", *options.serve.fd))));
    options.serve.device = options.device->name;
    options.serve.force = options.device->force;
    options.serve.data_path = options.device->data_path;
    const auto served = service::serve_scsi(options.serve, [&options](const Transport& transport) {
        announce(options.serve, transport);
    });
    notify_manager("STOPPING=1\n");
    if (!served) return tl::unexpected(failure_of(served.error()));
    return {};
}

}  // namespace

Verb add_serve(CLI::App& program) {
    auto options = std::make_shared<Options>();
    auto* app =
        add_verb(program, "serve", "Serve a disk to virtual machines by vhost-user",
                 {"zonebridge serve --virtio scsi --socket /run/disk.sock disk.img",
                  "zonebridge serve --virtio scsi --socket /run/disk.sock disk.img --read-only"});
    auto device = std::make_shared<DeviceArguments>();
    add_device(*app, *device, Session::Access::write)->required(false);
    add_parsed(*app, "--virtio", "scsi", "The device the guest sees: scsi, a zoned SCSI disk",
               [options](const std::string& text) -> std::optional<std::string> {
                   if (text != "scsi")
                       return fmt::format("'{}' is no device this version serves: scsi", text);
                   options->front_end = text;
                   return std::nullopt;
               });
    add_path(*app, "--socket,--socket-path", options->serve.socket, "Listen at this path");
    add_parsed(*app, "--fd", "N", "Use this inherited socket, listening or connected",
               [options](const std::string& text) -> std::optional<std::string> {
                   const auto number = parse_number(text);
                   if (!number || *number > INT_MAX)
                       return fmt::format("'{}' is not a file descriptor's number", text);
                   options->serve.fd = static_cast<int>(*number);
                   return std::nullopt;
               });
    app->add_flag("--read-only", options->serve.read_only, "The guest can't change the disk");
    app->add_flag("--print-capabilities", options->print_capabilities,
                  "Print what this program can do, in JSON, and exit");
    return {app, [options, device] {
                if (!device->name.empty()) options->device = *device;
                return run(*options);
            }};
}

}  // namespace zonebridge::tools
