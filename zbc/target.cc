#include "zbc/target.h"

#include <algorithm>
#include <utility>

#include "zbc/target_queue.h"

namespace zonebridge::zbc {
namespace {

class Target final : public LogicalUnit {
  public:
    Target(Transport& disk, const Unit& unit, RefusalSink* refusals)
        : facts_{disk, unit, Geometry(disk.limits(), unit.reads_past_pointer), {}, refusals} {}

    tl::expected<std::unique_ptr<TaskQueue>, Error> open_queue(Loop& loop,
                                                               std::size_t depth) override {
        if (depth == 0)
            return tl::unexpected(
                Error{StatusCode::invalid_request, "a task queue needs room for one task", {}});
        auto storage = facts_.disk.open_queue(loop, {depth});
        if (!storage) return tl::unexpected(std::move(storage.error()));
        depth = std::min(depth, (*storage)->depth());
        return std::make_unique<TargetQueue>(facts_, loop, depth, std::move(*storage));
    }

    TransferLimits transfer_limits() const noexcept override {
        const auto& limits = facts_.disk.limits();
        return {limits.max_transfer, limits.max_segments};
    }
    void reset() noexcept override { facts_.state.reset(); }
    void continue_initiator() noexcept override { facts_.state.set_continued(true); }
    void raise(Attention attention) noexcept override {
        if (attention == Attention::capacity_changed)
            facts_.unit.blocks = facts_.disk.limits().size() / facts_.unit.block_size;
        facts_.state.attentions().raise(attention);
    }

  private:
    TargetFacts facts_;
};

}  // namespace

tl::expected<std::unique_ptr<LogicalUnit>, Error> make_target(Transport& disk,
                                                              const UnitOptions& options) {
    auto unit = describe_unit(disk.limits(), disk.identity(), options);
    if (!unit) return tl::unexpected(std::move(unit.error()));
    return std::make_unique<Target>(disk, *unit, options.refusals);
}

}  // namespace zonebridge::zbc
