#include "transports/scsi/disk.h"

#include <utility>

#include <fmt/format.h>

#include "transports/scsi/retry.h"

namespace zonebridge::scsi {

OpenDisk::~OpenDisk() {
    [[maybe_unused]] const auto closed = close();  // nobody to tell
}

tl::expected<std::unique_ptr<Queue>, Error> OpenDisk::open_queue(Loop& loop, QueueOptions options) {
    const auto cannot_open = [](const std::string& path, int error) {
        return tl::unexpected(os_failure(error, fmt::format("{}: can't be opened again", path)));
    };
    Ports ports;
    if (route_.bsg_ring) {
        if (Ring::of(loop) == nullptr)
            return tl::unexpected(
                Error{StatusCode::unsupported,
                      fmt::format("{}: SCSI commands in io_uring need a loop on io_uring",
                                  disk_.identity.path),
                      {}});
        ports.bsg_ring = route_.bsg_ring->get();
    }
    auto control = open_node(route_.control, route_.writable);
    if (!control) return cannot_open(route_.control, control.error());
    ports.control_node = std::move(*control);
    ports.control = std::make_unique<ControlPort>(ports.control_node.get());

    auto data_fd = route_.block_node.get();
    if (!route_.block_node.is_open()) {
        auto data = open_node(route_.data.path, route_.writable);
        if (!data) return cannot_open(route_.data.path, data.error());
        ports.data_node = std::move(*data);
        data_fd = ports.data_node.get();
    }
    auto port = DataPort::make(data_fd, route_.data.kind, route_.limits.max_pages,
                               disk_.limits.max_transfer, ScsiQueue::most_threads);
    if (!port) return tl::unexpected(std::move(port.error()));
    ports.data = std::move(*port);
    return ScsiQueue::open(loop, disk_.limits, *disk_.dialect, std::move(ports), options.depth);
}

tl::expected<void, Error> OpenDisk::close() {
    if (std::exchange(closed_, true) || !route_.writable) return {};
    ControlPort port(route_.control_node.get());
    const auto call = disk_.dialect->flush();
    const auto answer = send(port, {.cdb = call.cdb(), .timeout_ms = call.timeout_ms});
    const auto status = disk_.dialect->judge(answer, Operation::flush, 0);
    // A disk without a cache need not know the command.
    if (status.ok() || status.code == StatusCode::unsupported) return {};
    return tl::unexpected(Error{status.code,
                                fmt::format("{}: emptying the disk's write cache failed: {}",
                                            disk_.identity.path, describe(answer)),
                                status.cause});
}

}  // namespace zonebridge::scsi
