// zonebridge serve: a disk for virtual machines.
#include "service/serve.h"

#include <cerrno>
#include <fcntl.h>
#include <memory>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <climits>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tools/files.h"
#include "tools/notify.h"
#include "tools/verb.h"
#include "transports/size.h"
#include "virtio-blk/config.h"

namespace zonebridge::tools {
namespace {

struct Options {
    service::ServeOptions serve;
    std::optional<DeviceArguments> device;
    std::optional<service::GuestDeviceKind> guest_device;
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

/// The device that carries the disk in QEMU, with its own options.
std::string qemu_device(const service::ServeOptions& options, const Limits& limits) {
    if (options.guest_device == service::GuestDeviceKind::scsi)
        return "vhost-user-scsi-pci,chardev=zonebridge";
    // Its vhost-user-blk knows no zones, which a host-managed disk can't do without.
    if (limits.model == Model::host_managed)
        return fmt::format(
            "vhost-user-test-device-pci,chardev=zonebridge,virtio-id=2,num_vqs={},vq_size={},"
            "config_size={}",
            options.queues, virtio_blk::ring_size, virtio_blk::Config::size);
    return "vhost-user-blk-pci,chardev=zonebridge";
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
            "{}\n",
            one_line(for_qemu(*options.socket)), qemu_device(options, transport.limits()));
    out.print("ready: {} ({}{}) at {}\n", one_line(options.device), describe(transport),
              options.read_only ? ", read-only" : "", one_line(place));
    // Nobody may be reading; the disk is served all the same.
    (void)out.flush();
    notify_manager(fmt::format("READY=1\nSTATUS=Serving {} at {}\n", one_line(options.device),
                               one_line(place)));
}

Outcome print_capabilities(service::GuestDeviceKind device) {
    Output out(STDOUT_FILENO);
    // The words of QEMU's docs/interop/vhost-user.json.
    const auto* const type = device == service::GuestDeviceKind::scsi ? "scsi" : "block";
    out.print("{}\n", nlohmann::json{{"type", type}}.dump(2));
    if (const auto flushed = out.flush(); !flushed)
        return tl::unexpected(failure_of(flushed.error()));
    return {};
}

Outcome run(Options options) {
    if (options.print_capabilities)
        return print_capabilities(options.guest_device.value_or(service::GuestDeviceKind::scsi));
    if (!options.device) return tl::unexpected(misuse("DEVICE is required"));
    if (!options.guest_device)
        return tl::unexpected(misuse("--virtio is required: as which device? scsi or blk"));
    options.serve.guest_device = *options.guest_device;
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
    const auto served = service::serve(options.serve, [&options](const Transport& transport) {
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
                  "zonebridge serve --virtio scsi --socket /run/disk.sock disk.img --read-only",
                  "zonebridge serve --virtio blk --socket /run/disk.sock disk.img"});
    auto device = std::make_shared<DeviceArguments>();
    add_device(*app, *device, Session::Access::write)->required(false);
    add_parsed(*app, "--virtio", "scsi|blk",
               "The device the guest sees: scsi, a zoned SCSI disk, or blk, a virtio-blk disk",
               [options](const std::string& text) -> std::optional<std::string> {
                   if (text == "scsi")
                       options->guest_device = service::GuestDeviceKind::scsi;
                   else if (text == "blk")
                       options->guest_device = service::GuestDeviceKind::blk;
                   else
                       return fmt::format("'{}' is no device this version serves: scsi or blk",
                                          text);
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
    add_parsed(*app, "--queues", "N",
               fmt::format("Request queues offered to the guest (default: {})",
                           service::ServeOptions::default_queues),
               [options](const std::string& text) -> std::optional<std::string> {
                   const auto number = parse_number(text);
                   if (!number || *number == 0 || *number > service::ServeOptions::most_queues)
                       return fmt::format("'{}' is not a number from 1 to {}", text,
                                          service::ServeOptions::most_queues);
                   options->serve.queues = static_cast<std::uint16_t>(*number);
                   return std::nullopt;
               });
    add_parsed(*app, "--workers", "N",
               "Threads that run a blk disk's queues; scsi has one (default: as many as CPUs, or "
               "queues)",
               [options](const std::string& text) -> std::optional<std::string> {
                   const auto number = parse_number(text);
                   if (!number || *number == 0 || *number > service::ServeOptions::most_workers)
                       return fmt::format("'{}' is not a number from 1 to {}", text,
                                          service::ServeOptions::most_workers);
                   options->serve.workers = static_cast<unsigned>(*number);
                   return std::nullopt;
               });
    add_parsed(
        *app, "--spin", "auto|off|USEC",
        fmt::format("How long an idle worker looks for more before it sleeps (default: auto, "
                    "{} us where a CPU is spare)",
                    service::Spin::usual.count()),
        [options](const std::string& text) -> std::optional<std::string> {
            constexpr std::uint64_t most = service::Spin::most.count();
            const auto number = parse_number(text);
            if (text == "auto")
                options->serve.spin.reset();
            else if (text == "off")
                options->serve.spin = std::chrono::microseconds{0};
            else if (number && *number <= most)
                options->serve.spin = std::chrono::microseconds{*number};
            else
                return fmt::format("'{}' is neither auto, off nor 0 to {} microseconds", text,
                                   most);
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
