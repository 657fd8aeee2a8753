#include "service/serve.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "base/unique_fd.h"
#include "service/admin_probe.h"
#include "service/control_socket.h"
#include "service/descriptors.h"
#include "service/ending_limit.h"
#include "service/limits.h"
#include "service/log.h"
#include "service/lun_table.h"
#include "service/refusal_log.h"
#include "service/sandbox.h"
#include "service/size_watch.h"
#include "service/vduse_service.h"
#include "service/worker.h"
#include "transports/device_name.h"
#include "virtio-blk/config.h"
#include "virtio/vhost_user/listener.h"
#include "virtio/vhost_user/socket_path.h"

namespace zonebridge::service {
namespace {

/// SIGTERM and SIGINT as a descriptor; blocked from here on, in later threads too.
tl::expected<UniqueFd, Error> take_over_signals() {
    sigset_t stops;
    sigemptyset(&stops);
    sigaddset(&stops, SIGTERM);
    sigaddset(&stops, SIGINT);
    if (const int error = pthread_sigmask(SIG_BLOCK, &stops, nullptr); error != 0)
        return tl::unexpected(os_failure(error, "can't block signals"));
    // A call descriptor may be a pipe, and the reader of standard error may be gone.
    std::signal(SIGPIPE, SIG_IGN);
    UniqueFd fd(::signalfd(-1, &stops, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!fd) return tl::unexpected(os_failure(errno, "can't make a signalfd"));
    return fd;
}

unsigned available_cpus() {
    std::array<cpu_set_t, 16> set{};  // the kernel refuses a set that is smaller than its own
    if (::sched_getaffinity(0, sizeof set, set.data()) != 0) return 1;
    return static_cast<unsigned>(std::max(CPU_COUNT_S(sizeof set, set.data()), 1));
}

unsigned worker_count(const ServeOptions& options, unsigned cpus) {
    const auto most = std::min<unsigned>(options.queues, ServeOptions::most_workers);
    if (!options.workers) return std::min(most, cpus);
    if (*options.workers > most)
        log("--workers {}: {} queues can use no more than {} workers, so only that many run",
            *options.workers, options.queues, most);
    return std::min(most, *options.workers);
}

Spin spin_for(const ServeOptions& options, unsigned workers, unsigned cpus) {
    if (options.spin) return Spin(*options.spin);
    // Polling in vain takes the CPU from the guest, or from a worker that has requests.
    return Spin(workers < cpus ? Spin::usual : std::chrono::microseconds{0});
}

/// If the host itself uses the disk, the kernel may need this process to write pages before it can
/// free memory: allocations here must not wait for that memory (PR_SET_IO_FLUSHER of prctl(2)).
/// Later threads inherit the setting. Without the privilege nothing changes.
void never_wait_for_own_writes() {
    (void)::prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
}

using OnReady = std::function<void(const Ready&)>;

/// What the server needs after its start.
Parts parts_of(const ServeOptions& options, std::span<const NumberedDisk> disks) {
    Parts parts{Part::base, options.vduse ? Part::vduse : Part::vhost_user};
    for (const auto& disk : disks) {
        const auto& transport = disk.disk->identity().transport;
        if (transport == "emulated") parts.add(Part::emulated);
        if (transport == "block") parts.add(Part::block);
        if (transport == "scsi") parts.add(Part::scsi);
        if (transport != "nvme") continue;
        parts.add(Part::nvme);
        if (!works_without_admin(disk.disk->transport())) parts.add(Part::nvme_admin);
    }
    if (options.control) parts.add(Part::later_disks);
    return parts;
}

/// Confines the server, when all is open.
using Confine = std::function<tl::expected<void, Error>()>;

BrokerRules rules_of(const ServeOptions& options) {
    BrokerRules rules;
    for (const auto& path : {options.socket, options.control})
        if (path) {
            rules.own_files.push_back(*path);
            rules.own_files.push_back(virtio::lock_of(*path));
        }
    rules.disks = options.control.has_value();
    rules.lun_root = options.sandbox.lun_root;
    for (const auto& lun : options.luns)
        if (const auto name = parse_device_name(lun.device))
            for (auto& node : nodes_of_disk(name->path))
                rules.first_disks.push_back(std::move(node));
    if (options.vduse) {
        rules.vduse = options.vduse->name;
        rules.own_files.push_back(record_of(*options.vduse));
    }
    return rules;
}

tl::expected<void, Error> serve_vhost_user(const ServeOptions& options,
                                           std::span<const NumberedDisk> disks,
                                           virtio::Backend& backend, const Confine& confine,
                                           int stop, const OnReady& on_ready) {
    auto listener = options.fd
                        ? virtio::Listener::adopt(*options.fd)
                        : virtio::Listener::bind(options.socket.value_or(""), options.access);
    if (!listener) return tl::unexpected(Error{StatusCode::io_error, listener.error(), {}});
    if (auto entered = confine(); !entered) return entered;
    on_ready({.disks = disks, .vduse = std::nullopt});
    return run_sessions(*listener, backend, options.vhost_user, stop);
}

tl::expected<void, Error> serve_vduse(const ServeOptions& options,
                                      std::span<const NumberedDisk> disks, virtio::Backend& backend,
                                      const Confine& confine, std::unique_ptr<OwnDeviceBus> bus,
                                      int stop, EndingLimit& ending, const OnReady& on_ready) {
    std::vector<std::byte> config(virtio_blk::Config::size);
    backend.read_config(0, config);
    return run_vduse(
        *options.vduse, backend, std::move(config), std::move(bus), stop,
        {.on_open = confine,
         .on_ready = [&](const VduseDisk& made) { on_ready({.disks = disks, .vduse = made}); },
         .on_removal = [&] { ending.begin(removal_limit); }});
}

/// Makes the device over open disks, with `count` workers, runs it and ends it.
tl::expected<void, Error> run_device(const ServeOptions& options, unsigned cpus, unsigned count,
                                     LunTable& luns, Sandbox& sandbox,
                                     std::unique_ptr<OwnDeviceBus> bus, int stop,
                                     EndingLimit& ending, const OnReady& on_ready) {
    const auto workers =
        start_workers(count, spin_for(options, count, cpus), [](const Error& error) {
            // No request can complete any more. Flushed data is safe: the disk allows a process to
            // end at any moment.
            log("fatal: {} {}", error.message, to_string(error.cause));
            std::_Exit(EXIT_FAILURE);
        });
    if (!workers) return tl::unexpected(workers.error());
    const auto disks = luns.disks();
    const auto device = make_guest_device(options.disk.kind, disks, *workers, options.queues);
    if (!device) return tl::unexpected(device.error());
    auto& backend = *device->backend;
    const auto confine = [&]() -> tl::expected<void, Error> {
        if (options.sandbox.mode == SandboxOptions::Mode::off) return {};
        return sandbox.enter(parts_of(options, disks));
    };
    auto sizes = SizeWatch::start(luns, device->resized);
    if (!sizes) return tl::unexpected(std::move(sizes.error()));
    if (options.vduse) {
        auto result =
            serve_vduse(options, disks, backend, confine, std::move(bus), stop, ending, on_ready);
        ending.begin();
        return result;
    }

    std::unique_ptr<ControlSocket> control;  // destroyed before the device
    if (options.control) {
        luns.run(*device->units);
        auto opened = ControlSocket::open(*options.control, luns, {.access = options.access});
        if (!opened) return tl::unexpected(std::move(opened.error()));
        control = std::move(*opened);
    }
    auto result = serve_vhost_user(options, disks, backend, confine, stop, [&](const Ready& ready) {
        on_ready(ready);
        if (control) control->start();  // on_ready has read the disks: change them only now
    });
    ending.begin();
    return result;
}

}  // namespace

std::uint16_t vduse_queues() noexcept {
    return static_cast<std::uint16_t>(
        std::clamp<long>(::sysconf(_SC_NPROCESSORS_ONLN), 1, ServeOptions::default_queues));
}

tl::expected<void, Error> serve(const ServeOptions& options,
                                const std::function<void(const Ready&)>& on_ready) {
    raise_descriptor_limit();
    const auto stop = take_over_signals();
    if (!stop) return tl::unexpected(stop.error());
    auto sandbox = Sandbox::start(options.sandbox, rules_of(options));
    if (!sandbox) return tl::unexpected(sandbox.error());
    std::unique_ptr<OwnDeviceBus> bus;
    if (options.vduse) {
        if (auto possible = check_vduse(*options.vduse); !possible) return possible;
        auto opened = open_bus(*options.vduse, options.sandbox.mode == SandboxOptions::Mode::off);
        if (!opened) return tl::unexpected(std::move(opened.error()));
        bus = std::move(*opened);
        if (options.vduse->attach == VdpaAttach::host) never_wait_for_own_writes();
    }
    // VDUSE waits for the host's users first, with a limit of its own.
    const auto ending =
        EndingLimit::start(options.vduse ? std::nullopt : std::optional(stop->get()), disk_limit);
    if (!ending) return tl::unexpected(ending.error());
    std::optional<RefusalLog> explainer;  // outlives the disks
    if (options.explain || !options.disk.faults.empty()) explainer.emplace(log_line);
    auto how = options.disk;
    if (explainer) how.observer = &*explainer;
    const auto several = options.luns.size() > 1 || options.control;
    LunTable luns(how, [&](std::uint16_t number) -> RefusalSink* {
        if (!options.explain) return nullptr;
        return &explainer->source(several ? fmt::format("LUN {}", number) : "");
    });
    const auto cpus = available_cpus();
    const auto workers = worker_count(options, cpus);
    const DescriptorBudget budget(workers, options.queues);
    if (auto enough = budget.check(options.luns.size()); !enough) return enough;
    luns.keep_to(budget);
    for (const auto& [number, device] : options.luns)
        if (auto opened = luns.open(number, device); !opened) return opened;
    auto result = run_device(options, cpus, workers, luns, *sandbox, std::move(bus), stop->get(),
                             **ending, on_ready);
    if (auto closed = luns.close(); !closed && result) result = std::move(closed);
    return result;
}

}  // namespace zonebridge::service
