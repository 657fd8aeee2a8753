#include "service/serve.h"

#include <csignal>
#include <cstdlib>
#include <sys/signalfd.h>
#include <unistd.h>

#include "service/log.h"
#include "service/vhost_user_sessions.h"
#include "service/worker.h"
#include "transports/open.h"
#include "virtio/unique_fd.h"
#include "virtio/vhost_user/listener.h"

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
        const auto device =
            make_guest_device(options.guest_device, **disk, **worker,
                              {.read_only = options.read_only, .queues = options.queues});
        if (!device) return tl::unexpected(device.error());
        auto listener = options.fd ? virtio::Listener::adopt(*options.fd)
                                   : virtio::Listener::bind(options.socket.value_or(""));
        if (!listener) return tl::unexpected(Error{StatusCode::io_error, listener.error(), {}});

        on_ready(**disk);
        result = run_vhost_user_sessions(*listener, *device->backend, stop->get());
    }
    if (auto closed = (*disk)->close(); !closed && result) result = closed;
    return result;
}

}  // namespace zonebridge::service
