#include "layers/trace/trace.h"

#include <utility>

#include "layers/trace/queue.h"

namespace zonebridge {
namespace {

class ExplainedDisk final : public Transport {
  public:
    ExplainedDisk(std::unique_ptr<Transport> disk, RefusalSink& sink)
        : disk_(std::move(disk)), sink_(sink) {}

    [[nodiscard]] const Limits& limits() const noexcept override { return disk_->limits(); }
    [[nodiscard]] const Identity& identity() const noexcept override { return disk_->identity(); }
    [[nodiscard]] tl::expected<std::unique_ptr<Queue>, Error> open_queue(
        Loop& loop, QueueOptions options) override {
        auto inner = disk_->open_queue(loop, options);
        if (!inner) return inner;
        return std::make_unique<trace::TracingQueue>(loop, limits(), sink_, std::move(*inner));
    }
    [[nodiscard]] tl::expected<void, Error> close() override { return disk_->close(); }

  private:
    std::unique_ptr<Transport> disk_;
    RefusalSink& sink_;
};

}  // namespace

std::unique_ptr<Transport> trace_refusals(std::unique_ptr<Transport> disk, RefusalSink& sink) {
    return std::make_unique<ExplainedDisk>(std::move(disk), sink);
}

}  // namespace zonebridge
