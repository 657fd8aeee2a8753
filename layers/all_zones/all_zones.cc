#include "layers/all_zones/all_zones.h"

#include <utility>

#include "base/list.h"
#include "layers/all_zones/action_on_all.h"
#include "layers/layer.h"
#include "layers/tag_table.h"

namespace zonebridge {
namespace {

class AllZonesQueue final : public Queue {
  public:
    AllZonesQueue(Loop& loop, const Limits& limits, ZoneActions native,
                  std::unique_ptr<Queue> inner)
        : Queue(loop, limits, inner->depth()),
          native_(native),
          slots_(inner->depth()),
          done_(inner->depth()),
          action_(limits),
          inner_(std::move(inner)) {}

  private:
    struct Slot {
        Slot* next = nullptr;
        std::uint64_t tag = 0;
        Operation operation = Operation::read;
    };

    void accept(std::span<const Request> requests) noexcept override {
        for (const auto& request : requests) {
            auto& slot = slots_.take();
            slot.tag = request.tag;
            slot.operation = request.operation;
            if (request.scope == Scope::all && !native_.has(zone_action_of(request.operation))) {
                pending_.push(slot);
                if (current_ == nullptr) begin();
            } else {
                auto passed = request;
                passed.tag = slots_.tag_of(slot);
                inner_->take_checked({&passed, 1});
            }
        }
    }

    std::size_t collect(std::span<Completion> out) noexcept override {
        slots_.reap(*inner_, [this](const Completion& completion) {
            auto& slot = slots_.slot_of(completion.tag);
            if (&slot != current_) return finish(slot, completion.status, completion.result);
            action_.completed(completion);
            go_on();
        });
        return hand_out(done_, out);
    }

    void begin() noexcept {
        current_ = pending_.pop();
        if (current_ == nullptr) return;
        action_.begin(current_->operation);
        go_on();
    }

    void go_on() noexcept {
        auto request = action_.next();
        if (!request) {
            finish(*std::exchange(current_, nullptr), action_.status(), 0);
            return begin();
        }
        request->tag = slots_.tag_of(*current_);
        // There is room: the request that this one is made for is not in flight below.
        static_cast<void>(inner_->submit({&*request, 1}));
    }

    void finish(Slot& slot, Status status, std::uint64_t result) noexcept {
        done_.push({slot.tag, status, result});
        slots_.give_back(slot);
    }

    const ZoneActions native_;
    TagTable<Slot> slots_;
    List<Slot> pending_;  // actions on all zones that have not begun
    Slot* current_ = nullptr;
    RingBuffer<Completion> done_;
    ActionOnAll action_;
    std::unique_ptr<Queue> inner_;  // last: it lets go of the zones above before they end
};

Limits with_all(Limits limits) {
    limits.native_all = ZoneActions::all();
    return limits;
}

class AllZonesTransport final : public Layer {
  public:
    AllZonesTransport(std::unique_ptr<Transport> disk, const Limits& below)
        : Layer(std::move(disk), with_all(below)) {}

    [[nodiscard]] tl::expected<std::unique_ptr<Queue>, Error> open_queue(
        Loop& loop, QueueOptions options) override {
        auto inner = below().open_queue(loop, options);
        if (!inner) return inner;
        return std::make_unique<AllZonesQueue>(loop, limits(), below().limits().native_all,
                                               std::move(*inner));
    }
};

}  // namespace

std::unique_ptr<Transport> complete_all(std::unique_ptr<Transport> disk) {
    const auto& limits = disk->limits();
    if (limits.layout.zone_count() == 0 || limits.native_all == ZoneActions::all()) return disk;
    return std::make_unique<AllZonesTransport>(std::move(disk), limits);
}

}  // namespace zonebridge
