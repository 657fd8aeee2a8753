#include "layers/split/split.h"

#include <utility>

#include "layers/layer.h"
#include "layers/split/queue.h"

namespace zonebridge {
namespace {

Limits any_length(Limits limits) {
    limits.any_length = true;
    return limits;
}

class SplitTransport final : public Layer {
  public:
    SplitTransport(std::unique_ptr<Transport> disk, const Limits& below)
        : Layer(std::move(disk), any_length(below)) {}

    [[nodiscard]] tl::expected<std::unique_ptr<Queue>, Error> open_queue(
        Loop& loop, QueueOptions options) override {
        options.depth += SplitQueue::most_pieces;
        auto inner = below().open_queue(loop, options);
        if (!inner) return inner;
        return std::make_unique<SplitQueue>(loop, limits(), below().limits(), std::move(*inner));
    }
};

}  // namespace

std::unique_ptr<Transport> split_long_requests(std::unique_ptr<Transport> disk) {
    const auto& limits = disk->limits();
    if (limits.any_length) return disk;
    return std::make_unique<SplitTransport>(std::move(disk), limits);
}

}  // namespace zonebridge
