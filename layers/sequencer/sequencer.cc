#include "layers/sequencer/sequencer.h"

#include <algorithm>
#include <new>
#include <utility>

#include <fmt/format.h>

#include "layers/layer.h"
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

class SequencedTransport final : public Layer {
  public:
    SequencedTransport(std::unique_ptr<Transport> device, const Limits& below)
        : Layer(std::move(device), limits_above(below)),
          zones_(limits().layout, limits().max_open || limits().max_active) {}

    [[nodiscard]] tl::expected<std::unique_ptr<Queue>, Error> open_queue(
        Loop& loop, QueueOptions options) override {
        return sequencer::SequencedQueue::open(loop, below(), limits(), zones_, options.depth);
    }

  private:
    sequencer::Zones zones_;
};

}  // namespace

tl::expected<std::unique_ptr<Transport>, Error> sequence(std::unique_ptr<Transport> device) {
    const auto& limits = device->limits();
    if (!has_required_zones(limits)) return device;
    const auto zones = limits.layout.zone_count();
    const auto path = device->identity().path;
    try {
        return std::make_unique<SequencedTransport>(std::move(device), limits);
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
