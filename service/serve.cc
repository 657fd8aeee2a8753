#include "service/serve.h"

#include <csignal>
#include <cstdlib>
#include <memory>
#include <sys/signalfd.h>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

#include "service/blk_backend.h"
#include "service/log.h"
#include "service/scsi_backend.h"
#include "service/worker.h"
#include "transports/open.h"
#include "virtio/unique_fd.h"
#include "virtio/vhost_user/listener.h"
#include "virtio/vhost_user/session.h"
#include "zbc/target.h"

namespace zonebridge::service {
namespace {

/// SIGTERM and SIGINT as a descriptor. From here on they end nothing by themselves, in threads that
/// start later either.
tl::expected<virtio::UniqueFd, Error> take_over_signals() {
    sigset_t stops;
    sigemptyset(&stops);
    sigaddset(&stops, SIGTERM);
    sigaddset(&stops, SIGINT);
    if (const int error = pthread_sigmask(SIG_BLOCK, &stops, nullptr); error != 0)
        return tl::unexpected(os_failure(error, "can't block signals"));
    // A call descriptor may be a pipe, or standard error may be one that nobody reads any more.
    std::signal(SIGPIPE, SIG_IGN);
    virtio::UniqueFd fd(::signalfd(-1, &stops, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!fd) return tl::unexpected(os_failure(errno, "can't make a signalfd"));
    return fd;
}

/// Sessions one after another, until `stop` is readable or there can't be another.
tl::expected<void, Error> run_sessions(virtio::Listener& listener, virtio::Backend& backend,
                                       int stop) {
    for (unsigned number = 1;; ++number) {
        auto socket = listener.accept(stop);
        if (!socket) return tl::unexpected(Error{StatusCode::io_error, socket.error(), {}});
        if (!*socket) return {};
        log("session {}: a front end connected", number);
        auto session = virtio::Session::over(std::move(**socket), backend);
        if (!session) {
            log("session {}: {}", number, session.error());
            continue;
        }
        const auto end = (*session)->run(stop);
        session->reset();  // stops every ring before the end is told
        switch (end.reason) {
            case virtio::SessionEnd::Reason::disconnected:
                log("session {}: the front end disconnected", number);
                break;
            case virtio::SessionEnd::Reason::stopped:
                log("session {}: ended, because this program was told to stop", number);
                break;
            case virtio::SessionEnd::Reason::failed:
                log("session {}: ended: {}", number, end.message);
                break;
        }
    }
}

/// The device that the guest finds, and what it needs beside the disk.
struct Served {
    std::unique_ptr<zbc::LogicalUnit> unit;  // scsi only
    std::unique_ptr<virtio::Backend> backend;
};

tl::expected<Served, Error> make_device(const ServeOptions& options, Transport& disk,
                                        Worker& worker) {
    const auto& limits = disk.limits();
    Served served;
    switch (options.guest_device) {
        case GuestDevice::scsi: {
            zbc::UnitOptions unit;
            unit.read_only = options.read_only;
            auto target = zbc::make_target(disk, unit);
            if (!target) return tl::unexpected(target.error());
            auto backend =
                ScsiBackend::open(worker, {{.lun = 0, .logical_unit = target->get()}},
                                  limits.max_transfer, limits.max_segments, options.queues);
            if (!backend) return tl::unexpected(backend.error());
            served.unit = std::move(*target);
            served.backend = std::move(*backend);
            return served;
        }
        case GuestDevice::blk: {
            auto backend = BlkBackend::open(worker, disk, options.queues);
            if (!backend) return tl::unexpected(backend.error());
            served.backend = std::move(*backend);
            return served;
        }
    }
    return served;
}

}  // namespace

tl::expected<void, Error> serve(const ServeOptions& options,
                                const std::function<void(const Transport&)>& on_ready) {
    const auto stop = take_over_signals();
    if (!stop) return tl::unexpected(stop.error());
    const auto disk = open_device(
        options.device,
        {.writable = !options.read_only, .force = options.force, .data_path = options.data_path});
    if (!disk) return tl::unexpected(disk.error());

    tl::expected<void, Error> result;
    {
        const auto worker = Worker::start("zb-worker", [](const Error& error) {
            // Nothing can be completed any more. What was flushed is safe: the disk is made for
            // being left at any moment.
            log("fatal: {} {}", error.message, to_string(error.cause));
            std::_Exit(EXIT_FAILURE);
        });
        if (!worker) return tl::unexpected(worker.error());
        const auto device = make_device(options, **disk, **worker);
        if (!device) return tl::unexpected(device.error());
        auto listener = options.fd ? virtio::Listener::adopt(*options.fd)
                                   : virtio::Listener::bind(options.socket.value_or(""));
        if (!listener) return tl::unexpected(Error{StatusCode::io_error, listener.error(), {}});

        on_ready(**disk);
        result = run_sessions(*listener, *device->backend, stop->get());
    }
    if (auto closed = (*disk)->close(); !closed && result) result = closed;
    return result;
}

}  // namespace zonebridge::service
