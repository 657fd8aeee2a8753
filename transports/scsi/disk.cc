#include "transports/scsi/disk.h"

#include <utility>

namespace zonebridge::scsi {

OpenDisk::~OpenDisk() {
    [[maybe_unused]] const auto closed = close();  // a destructor can't report an error
}

tl::expected<std::unique_ptr<Queue>, Error> OpenDisk::open_queue(Loop& loop, QueueOptions options) {
    Ports ports;
    auto control = open_node(route_.control, route_.writable);
    if (!control) return cannot_open_again(route_.control, control.error());
    ports.control_node = std::move(*control);
    ports.control = std::make_unique<ControlPort>(ports.control_node.get());
    auto way = open_data_way(route_, disk_, loop, ScsiQueue::most_threads);
    if (!way) return tl::unexpected(std::move(way.error()));
    ports.data_node = std::move(way->node);
    ports.data = std::move(way->port);
    ports.bsg_ring = way->bsg_ring;
    return ScsiQueue::open(loop, disk_.limits, *disk_.dialect, std::move(ports), options.depth);
}

tl::expected<void, Error> OpenDisk::close() {
    if (std::exchange(closed_, true)) return {};
    return empty_cache(route_, disk_);
}

}  // namespace zonebridge::scsi
