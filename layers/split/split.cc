#include "layers/split/split.h"

#include <utility>

#include "layers/split/queue.h"

namespace zonebridge {
namespace {

class SplitTransport final : public Transport {
  public:
    explicit SplitTransport(std::unique_ptr<Transport> disk)
        : disk_(std::move(disk)), limits_(disk_->limits()) {
        limits_.any_length = true;
    }

    [[nodiscard]] const Limits& limits() const noexcept override { return limits_; }
    [[nodiscard]] const Identity& identity() const noexcept override { return disk_->identity(); }
    [[nodiscard]] tl::expected<std::unique_ptr<Queue>, Error> open_queue(
        Loop& loop, QueueOptions options) override {
        options.depth += SplitQueue::most_pieces;
        auto inner = disk_->open_queue(loop, options);
        if (!inner) return inner;
        return std::make_unique<SplitQueue>(loop, limits_, disk_->limits(), std::move(*inner));
    }
    std::uint64_t look_at_size() override {
        const auto size = disk_->look_at_size();
        if (size != limits_.size()) limits_.layout.resize(size);
        return size;
    }
    [[nodiscard]] tl::expected<void, Error> close() override { return disk_->close(); }

  private:
    std::unique_ptr<Transport> disk_;
    Limits limits_;
};

}  // namespace

std::unique_ptr<Transport> split_long_requests(std::unique_ptr<Transport> disk) {
    if (disk->limits().any_length) return disk;
    return std::make_unique<SplitTransport>(std::move(disk));
}

}  // namespace zonebridge
