// zonebridge serve: serves disks to virtual machines or to the host.
#include "service/serve.h"

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <set>
#include <string_view>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/unique_fd.h"
#include "tools/files.h"
#include "tools/serve_options.h"
#include "tools/verb.h"
#include "tools/zones.h"
#include "virtio-blk/config.h"

namespace zonebridge::tools {
namespace {

/// QEMU expects a comma in an option's value to be doubled.
std::string for_qemu(std::string_view value) {
    std::string text;
    for (const auto character : value) {
        text += character;
        if (character == ',') text += ',';
    }
    return text;
}

std::string describe(const Limits& limits) {
    const auto& layout = limits.layout;
    return describe_disk(layout.size(), to_string(limits.model), layout.zone_count(),
                         layout.zone_size());
}

/// Every disk in a few words; with its number if there are several.
std::string describe(const service::ServeOptions& options, const service::Ready& ready) {
    if (ready.disks.empty()) return "no disk yet";
    std::string words;
    for (const auto& one : ready.disks) {
        if (!words.empty()) words += ", ";
        if (ready.disks.size() > 1) words += fmt::format("LUN {} ", one.lun);
        words += fmt::format("{} ({}{}{}{})", one_line(one.device), describe(one.disk->limits()),
                             one.disk->passed_through() ? ", passed through" : "",
                             options.disk.read_only ? ", read-only" : "",
                             options.disk.faults.empty() ? "" : ", faults on purpose");
    }
    return words;
}

/// The QEMU device for the disk, with its options.
std::string qemu_device(const service::ServeOptions& options, const service::Ready& ready) {
    if (options.disk.kind == service::GuestDeviceKind::scsi)
        return "vhost-user-scsi-pci,chardev=zonebridge,disable-legacy=on";
    const auto& limits = ready.disks.front().disk->limits();
    // QEMU's vhost-user-blk does not support zones, which a host-managed disk needs.
    if (limits.model == Model::host_managed)
        return fmt::format(
            "vhost-user-test-device-pci,chardev=zonebridge,virtio-id=2,num_vqs={},vq_size={},"
            "config_size={}",
            options.queues, virtio_blk::ring_size, virtio_blk::Config::size);
    return "vhost-user-blk-pci,chardev=zonebridge,disable-legacy=on";
}

/// The QEMU arguments for the disk; nothing if none are needed.
std::optional<std::string> qemu_arguments(const service::ServeOptions& options,
                                          const service::Ready& ready) {
    // VDUSE needs this too: the kernel accepts a guest's memory only if it is a shared file.
    constexpr std::string_view memory =
        "-object memory-backend-memfd,id=mem,size=1G,share=on -machine memory-backend=mem -m 1G";
    if (options.vduse && options.vduse->attach == service::VdpaAttach::guest)
        return fmt::format("{} -device vhost-vdpa-device-pci,vhostdev={},disable-legacy=on", memory,
                           ready.vduse->node);
    if (options.socket)
        return fmt::format("{} -chardev socket,id=zonebridge,path={} -device {}", memory,
                           one_line(for_qemu(*options.socket)), qemu_device(options, ready));
    return std::nullopt;
}

/// The service manager that started this program, at the socket that NOTIFY_SOCKET names, as
/// sd_notify(3) does. Connects before the program is confined.
class ServiceManager {
  public:
    ServiceManager() {
        const auto* name = std::getenv("NOTIFY_SOCKET");
        if (name == nullptr) return;
        const std::string_view path(name);
        sockaddr_un address{};
        if (path.size() < 2 || path.size() >= sizeof(address.sun_path)) return;
        if (path.front() != '/' && path.front() != '@') return;
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, path.data(), path.size());
        if (path.front() == '@') address.sun_path[0] = '\0';  // Linux' abstract names

        socket_ = UniqueFd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        const auto length = offsetof(sockaddr_un, sun_path) + path.size();
        if (::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address),
                      static_cast<socklen_t>(length)) != 0)
            socket_.close();
    }

    /// Sends `state` ("READY=1"). Does nothing without a manager that listens.
    void notify(std::string_view state) const noexcept {
        (void)::send(socket_.get(), state.data(), state.size(), MSG_NOSIGNAL);
    }

  private:
    UniqueFd socket_;
};

/// Announces the disk and how to use it, on standard output and to the service manager.
void announce(const service::ServeOptions& options, const service::Ready& ready,
              const ServiceManager& manager) {
    const auto place =
        one_line(ready.vduse      ? ready.vduse->node
                 : options.socket ? *options.socket
                                  : fmt::format("inherited file descriptor {}", *options.fd));
    Output out(STDOUT_FILENO);
    if (const auto arguments = qemu_arguments(options, ready)) out.print("qemu: {}\n", *arguments);
    const auto disks = describe(options, ready);
    out.print("ready: {} at {}{}\n", disks, place,
              ready.vduse && ready.vduse->took_over ? ", took over" : "");
    // There may be no reader; serve the disk all the same.
    (void)out.flush();
    manager.notify(fmt::format("READY=1\nSTATUS=Serving {} at {}\n", disks, place));
}

Outcome print_capabilities(service::GuestDeviceKind device) {
    Output out(STDOUT_FILENO);
    // As defined in QEMU's docs/interop/vhost-user.json.
    const auto* const type = device == service::GuestDeviceKind::scsi ? "scsi" : "block";
    out.print("{}\n", nlohmann::json{{"type", type}}.dump(2));
    if (const auto flushed = out.flush(); !flushed)
        return tl::unexpected(failure_of(flushed.error()));
    return {};
}

/// Checks that there is exactly one of socket, descriptor and VDUSE, and a device that it supports.
Outcome choose_way(ServeArguments& options) {
    auto& serve = options.serve;
    const int ways = (serve.socket ? 1 : 0) + (serve.fd ? 1 : 0) + (options.vduse ? 1 : 0);
    if (!options.guest_device && !options.vduse)
        return tl::unexpected(misuse("--virtio is required: give scsi or blk"));
    if (ways == 0) return tl::unexpected(misuse("give one of --socket, --fd and --vduse"));
    if (ways > 1) return tl::unexpected(misuse("give only one of --socket, --fd and --vduse"));
    if (options.vduse && (options.first_message || options.second_front_end))
        return tl::unexpected(
            misuse("--first-message and --second-front-end work only with --socket and --fd"));
    if (!serve.socket && !serve.control && (options.socket_mode || options.socket_group))
        return tl::unexpected(
            misuse("--socket-mode and --socket-group work only with --socket and --control"));
    if (!options.vduse && options.attach)
        return tl::unexpected(misuse("--attach works only with --vduse"));
    if (const auto limit = options.first_message) {
        serve.vhost_user.first_message.reset();
        if (limit->count() != 0) serve.vhost_user.first_message = limit;
    }
    serve.vhost_user.second = options.second_front_end.value_or(service::SecondFrontEnd::waits);
    serve.access = {.mode = options.socket_mode.value_or(options.socket_group ? 0660 : 0600),
                    .group = options.socket_group};
    serve.disk.kind = options.guest_device.value_or(service::GuestDeviceKind::blk);
    if (options.vduse && serve.disk.kind == service::GuestDeviceKind::scsi)
        return tl::unexpected(misuse(
            "VDUSE carries only block devices: give --virtio blk, or --socket with --virtio scsi"));
    if (options.vduse)
        serve.vduse = {.name = *options.vduse,
                       .attach = options.attach.value_or(service::VdpaAttach::host)};
    serve.queues = options.queues.value_or(options.vduse ? service::vduse_queues()
                                                         : service::ServeOptions::default_queues);
    return {};
}

/// Checks that the sandbox can do what it is told.
Outcome choose_sandbox(const service::ServeOptions& serve) {
    const auto& sandbox = serve.sandbox;
    const auto off = sandbox.mode == service::SandboxOptions::Mode::off;
    if (off && sandbox.run_as)
        return tl::unexpected(misuse("--user does not work with --sandbox off"));
    if (sandbox.lun_root && (off || !serve.control))
        return tl::unexpected(
            misuse("--lun-root works only with --control, and not with --sandbox off"));
    return {};
}

/// Checks the disks, their numbers, and the options that apply to them.
Outcome choose_disks(ServeArguments& options) {
    auto& serve = options.serve;
    const auto scsi = serve.disk.kind == service::GuestDeviceKind::scsi;
    if (!options.device.name.empty())
        serve.luns.insert(serve.luns.begin(), {0, options.device.name});
    if (!scsi && (options.device.name.empty() || serve.luns.size() > 1))
        return tl::unexpected(misuse(
            "a blk device is one disk, given as DEVICE; --lun works only with --virtio scsi"));
    std::set<std::uint16_t> numbers;
    for (const auto& lun : serve.luns)
        if (!numbers.insert(lun.number).second)
            return tl::unexpected(misuse(fmt::format("LUN {} is given twice{}", lun.number,
                                                     lun.number == 0 ? " (DEVICE is LUN 0)" : "")));
    auto& disk = serve.disk;
    if (!scsi &&
        (disk.translate || !disk.allow.empty() || disk.reads_past_pointer || serve.control))
        return tl::unexpected(
            misuse("--translate, --allow, --urswrz and --control work only with --virtio scsi"));
    if (const auto possible = check_passing(disk.translate, disk.allow); !possible) return possible;
    disk.force = options.device.force;
    disk.accept_loss = options.device.accept_loss;
    disk.data_path = options.device.data_path;
    return {};
}

Outcome run(ServeArguments options) {
    if (options.print_capabilities)
        return print_capabilities(options.guest_device.value_or(service::GuestDeviceKind::scsi));
    if (options.device.name.empty() && options.serve.luns.empty() && !options.serve.control)
        return tl::unexpected(
            misuse("no disk is given: give a DEVICE or, with --virtio scsi, --lun N=DEVICE, or "
                   "--control PATH to add disks later"));
    if (const auto way = choose_way(options); !way) return way;
    if (const auto disks = choose_disks(options); !disks) return disks;
    if (const auto sandbox = choose_sandbox(options.serve); !sandbox) return sandbox;
    // Check before another file is opened and gets the number.
    if (options.serve.fd && ::fcntl(*options.serve.fd, F_GETFD) < 0)
        return tl::unexpected(failure_of(
            os_failure(errno, fmt::format("--fd: file descriptor {}", *options.serve.fd))));
    const ServiceManager manager;
    const auto served = service::serve(options.serve, [&](const service::Ready& ready) {
        announce(options.serve, ready, manager);
    });
    manager.notify("STOPPING=1\n");
    if (!served) return tl::unexpected(failure_of(served.error()));
    return {};
}

}  // namespace

Verb add_serve(CLI::App& program) {
    auto* app = add_verb(
        program, "serve", "Serve a disk to virtual machines, or to this host",
        {"zonebridge serve --virtio scsi --socket /run/disk.sock disk.img",
         "zonebridge serve --virtio scsi --socket /run/disk.sock disk.img --read-only",
         "zonebridge serve --virtio scsi --socket /run/disk.sock --lun 0=/dev/sg1 --lun 1=disk.img",
         "zonebridge serve --virtio scsi --socket /run/disk.sock --control /run/control.sock",
         "zonebridge serve --virtio blk --socket /run/disk.sock disk.img",
         "zonebridge serve --vduse disk0 disk.img",
         "zonebridge serve --vduse disk0 --attach guest disk.img"});
    auto options = std::make_shared<ServeArguments>();
    add_serve_options(*app, options);
    return {app, [options] { return run(*options); }};
}

}  // namespace zonebridge::tools
