#include "layers/sequencer/sequencer.h"

#include <algorithm>
#include <new>
#include <utility>

#include <fmt/format.h>

#include "layers/sequencer/queue.h"

namespace zonebridge {
namespace {

bool has_required_zones(const Limits& limits) {
    const auto& layout = limits.layout;
    return layout.zone_count() > layout.conventional_count() &&
           layout.sequential_type() == ZoneType::sequential_write_required;
}

Limits limits_above(const Limits& device) {
    auto limits = device;
    limits.native_all = ZoneActions::all();
    if (device.append != Support::absent) return limits;
    limits.append = Support::emulated;
    limits.max_append = std::min(device.max_transfer, device.layout.zone_capacity());
    limits.max_append -= limits.max_append % device.physical_block_size;
    return limits;
}

class SequencedTransport final : public Transport {
  public:
    explicit SequencedTransport(std::unique_ptr<Transport> device)
        : device_(std::move(device)),
          limits_(limits_above(device_->limits())),
          zones_(limits_.layout, limits_.max_open || limits_.max_active) {}

    [[nodiscard]] const Limits& limits() const noexcept override { return limits_; }
    [[nodiscard]] const Identity& identity() const noexcept override { return device_->identity(); }
    [[nodiscard]] tl::expected<std::unique_ptr<Queue>, Error> open_queue(
        Loop& loop, QueueOptions options) override {
        return sequencer::SequencedQueue::open(loop, *device_, limits_, zones_, options.depth);
    }
    [[nodiscard]] tl::expected<void, Error> close() override { return device_->close(); }

  private:
    std::unique_ptr<Transport> device_;
    Limits limits_;
    sequencer::Zones zones_;
};

}  // namespace

tl::expected<std::unique_ptr<Transport>, Error> sequence(std::unique_ptr<Transport> device) {
    if (!has_required_zones(device->limits())) return device;
    const auto zones = device->limits().layout.zone_count();
    const auto path = device->identity().path;
    try {
        return std::make_unique<SequencedTransport>(std::move(device));
    } catch (const std::bad_alloc&) {
        return tl::unexpected(
            Error{StatusCode::io_error,
                  fmt::format("{}: there is not enough memory to keep {} zones in order; free {} "
                              "MiB and try again",
                              path, zones, (zones * sizeof(sequencer::Line) >> 20) + 1),
                  {}});
    }
}

}  // namespace zonebridge
