#include "transports/scsi/scsi.h"

#include <utility>

#include "transports/scsi/discover.h"
#include "transports/scsi/queue.h"
#include "transports/scsi/route.h"

namespace zonebridge::scsi {
namespace {

class OpenDisk final : public Transport {
  public:
    OpenDisk(DiskFacts disk, Route route) noexcept
        : disk_(std::move(disk)), route_(std::move(route)) {}
    ~OpenDisk() override {
        [[maybe_unused]] const auto closed = close();  // a destructor can't report an error
    }

    const Limits& limits() const noexcept override { return disk_.limits; }
    const Identity& identity() const noexcept override { return disk_.identity; }

    tl::expected<std::unique_ptr<Queue>, Error> open_queue(Loop& loop,
                                                           QueueOptions options) override {
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

    tl::expected<void, Error> close() override {
        if (std::exchange(closed_, true)) return {};
        return empty_cache(route_, disk_);
    }

  private:
    DiskFacts disk_;
    Route route_;
    bool closed_ = false;
};

}  // namespace

tl::expected<std::unique_ptr<Transport>, Error> open(const std::string& path,
                                                     const DeviceOptions& options) {
    auto found = find_disk(path, options, find_zac);
    if (!found) return tl::unexpected(std::move(found.error()));
    return std::make_unique<OpenDisk>(std::move(found->disk), std::move(found->route));
}

}  // namespace zonebridge::scsi
