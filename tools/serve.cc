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
#include "virtio-blk/config.h"
#include "virtio/vduse/session.h"

namespace zonebridge::tools {
namespace {

struct Options {
    service::ServeOptions serve;
    std::optional<DeviceArguments> device;
    std::optional<service::GuestDeviceKind> guest_device;
    std::optional<std::string> vduse;
    std::optional<service::VdpaAttach> attach;
    std::optional<std::uint16_t> queues;
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

/// What gives QEMU the disk; nothing where it needs none.
std::optional<std::string> qemu_arguments(const service::ServeOptions& options,
                                          const service::Ready& ready) {
    // By VDUSE too: the kernel takes a guest's memory only if it is a file, and shared.
    constexpr std::string_view memory =
        "-object memory-backend-memfd,id=mem,size=1G,share=on -machine memory-backend=mem -m 1G";
    if (options.vduse && options.vduse->attach == service::VdpaAttach::guest)
        return fmt::format("{} -device vhost-vdpa-device-pci,vhostdev={}", memory,
                           ready.vduse->node);
    if (options.socket)
        return fmt::format("{} -chardev socket,id=zonebridge,path={} -device {}", memory,
                           one_line(for_qemu(*options.socket)),
                           qemu_device(options, ready.disk.limits()));
    return std::nullopt;
}

/// Says that the disk can be used, where, and how: to whoever reads our output, and to the manager.
void announce(const service::ServeOptions& options, const service::Ready& ready) {
    const auto place =
        one_line(ready.vduse      ? ready.vduse->node
                 : options.socket ? *options.socket
                                  : fmt::format("inherited file descriptor {}", *options.fd));
    Output out(STDOUT_FILENO);
    if (const auto arguments = qemu_arguments(options, ready)) out.print("qemu: {}\n", *arguments);
    out.print("ready: {} ({}{}) at {}{}\n", one_line(options.device), describe(ready.disk),
              options.read_only ? ", read-only" : "", place,
              ready.vduse && ready.vduse->took_over ? ", took over" : "");
    // Nobody may be reading; the disk is served all the same.
    (void)out.flush();
    notify_manager(
        fmt::format("READY=1\nSTATUS=Serving {} at {}\n", one_line(options.device), place));
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

/// Exactly one way in, and a device that it carries.
Outcome choose_way(Options& options) {
    auto& serve = options.serve;
    const int ways = (serve.socket ? 1 : 0) + (serve.fd ? 1 : 0) + (options.vduse ? 1 : 0);
    if (!options.guest_device && !options.vduse)
        return tl::unexpected(misuse("--virtio is required: as which device? scsi or blk"));
    if (ways == 0) return tl::unexpected(misuse("where? Give one of --socket, --fd and --vduse"));
    if (ways > 1)
        return tl::unexpected(misuse("--socket, --fd and --vduse exclude each other: give one"));
    if (!options.vduse && options.attach)
        return tl::unexpected(misuse("--attach is for --vduse alone"));
    serve.guest_device = options.guest_device.value_or(service::GuestDeviceKind::blk);
    if (options.vduse && serve.guest_device == service::GuestDeviceKind::scsi)
        return tl::unexpected(misuse(
            "VDUSE carries block devices only: --virtio blk, or by --socket as --virtio scsi"));
    if (options.vduse)
        serve.vduse = {.name = *options.vduse,
                       .attach = options.attach.value_or(service::VdpaAttach::host)};
    serve.queues = options.queues.value_or(options.vduse ? service::vduse_queues()
                                                         : service::ServeOptions::default_queues);
    return {};
}

Outcome run(Options options) {
    if (options.print_capabilities)
        return print_capabilities(options.guest_device.value_or(service::GuestDeviceKind::scsi));
    if (!options.device) return tl::unexpected(misuse("DEVICE is required"));
    if (const auto way = choose_way(options); !way) return way;
    // Before anything else is opened and takes the number.
    if (options.serve.fd && ::fcntl(*options.serve.fd, F_GETFD) < 0)
        return tl::unexpected(failure_of(
            os_failure(errno, fmt::format("--fd: file descriptor {}", *options.serve.fd))));
    options.serve.device = options.device->name;
    options.serve.force = options.device->force;
    options.serve.data_path = options.device->data_path;
    const auto served = service::serve(
        options.serve, [&options](const service::Ready& ready) { announce(options.serve, ready); });
    notify_manager("STOPPING=1\n");
    if (!served) return tl::unexpected(failure_of(served.error()));
    return {};
}

/// What is wrong with `text`, if it is no number from 1 to `most`.
template <typename Number>
std::optional<std::string> take_count(const std::string& text, Number most,
                                      std::optional<Number>& count) {
    const auto number = parse_number(text);
    if (!number || *number == 0 || *number > most)
        return fmt::format("'{}' is not a number from 1 to {}", text, most);
    count = static_cast<Number>(*number);
    return std::nullopt;
}

}  // namespace

Verb add_serve(CLI::App& program) {
    auto options = std::make_shared<Options>();
    auto* app =
        add_verb(program, "serve", "Serve a disk to virtual machines, or to this host",
                 {"zonebridge serve --virtio scsi --socket /run/disk.sock disk.img",
                  "zonebridge serve --virtio scsi --socket /run/disk.sock disk.img --read-only",
                  "zonebridge serve --virtio blk --socket /run/disk.sock disk.img",
                  "zonebridge serve --vduse disk0 disk.img",
                  "zonebridge serve --vduse disk0 --attach guest disk.img"});
    auto device = std::make_shared<DeviceArguments>();
    require(add_device(*app, *device, Session::Access::write), false);
    add_parsed(*app, "--virtio", "scsi|blk",
               "The device the guest sees: scsi, a zoned SCSI disk, or blk, a virtio-blk disk "
               "(--vduse: always blk)",
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
    add_path(*app, "--socket,--socket-path", options->serve.socket,
             "vhost-user: listen at this path");
    add_parsed(*app, "--fd", "N", "vhost-user: use this inherited socket, listening or connected",
               [options](const std::string& text) -> std::optional<std::string> {
                   const auto number = parse_number(text);
                   if (!number || *number > INT_MAX)
                       return fmt::format("'{}' is not a file descriptor's number", text);
                   options->serve.fd = static_cast<int>(*number);
                   return std::nullopt;
               });
    add_parsed(*app, "--vduse", "NAME", "VDUSE: make a kernel device of this name",
               [options](const std::string& text) -> std::optional<std::string> {
                   if (auto wrong = virtio::vduse::bad_name(text)) return wrong;
                   options->vduse = text;
                   return std::nullopt;
               });
    add_parsed(*app, "--attach", "host|guest",
               "Who gets it with --vduse: host, as /dev/vdX here (the default), or guest, as "
               "/dev/vhost-vdpa-N for a virtual machine",
               [options](const std::string& text) -> std::optional<std::string> {
                   if (text == "host")
                       options->attach = service::VdpaAttach::host;
                   else if (text == "guest")
                       options->attach = service::VdpaAttach::guest;
                   else
                       return fmt::format("'{}' is neither host nor guest", text);
                   return std::nullopt;
               });
    add_parsed(*app, "--queues", "N",
               fmt::format("Request queues offered to the guest (default: {}; --vduse: as many as "
                           "CPUs)",
                           service::ServeOptions::default_queues),
               [options](const std::string& text) -> std::optional<std::string> {
                   return take_count(text, service::ServeOptions::most_queues, options->queues);
               });
    add_parsed(*app, "--workers", "N",
               "Threads that run a blk disk's queues; scsi has one (default: as many as CPUs, or "
               "queues)",
               [options](const std::string& text) -> std::optional<std::string> {
                   return take_count(text, service::ServeOptions::most_workers,
                                     options->serve.workers);
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
    add_flag(*app, "--read-only", options->serve.read_only, "The guest can't change the disk");
    add_flag(*app, "--print-capabilities", options->print_capabilities,
             "Print what this program can do, in JSON, and exit");
    return {app, [options, device] {
                if (!device->name.empty()) options->device = *device;
                return run(*options);
            }};
}

}  // namespace zonebridge::tools
