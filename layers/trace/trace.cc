#include "layers/trace/trace.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "base/list.h"
#include "layers/layer.h"
#include "layers/tag_table.h"

namespace zonebridge {
namespace {

/// Whether the zone's state says more than the code alone.
bool zone_tells(StatusCode code) noexcept {
    return kind_of(code) == RefusalKind::zone || code == StatusCode::media_error ||
           code == StatusCode::io_error;
}

/// The zone that the code is about, as far as the states show it.
const Zone& pick(std::span<const Zone> zones, StatusCode code) noexcept {
    for (const auto& zone : zones)
        if ((code == StatusCode::zone_offline && zone.state == ZoneState::offline) ||
            (code == StatusCode::zone_read_only && zone.state == ZoneState::read_only))
            return zone;
    return zones.front();
}

/// Remembers each request, and asks for the zone of each request that failed.
class TracingQueue final : public Queue {
  public:
    TracingQueue(Loop& loop, const Limits& limits, RefusalSink& sink, std::unique_ptr<Queue> inner);

  private:
    struct Slot {
        Slot* next = nullptr;
        std::uint64_t tag = 0;
        Operation operation = Operation::read;
        Scope scope = Scope::zones;
        std::uint64_t offset = 0;
        std::uint64_t length = 0;
    };
    /// A completion that is held back until its zone is known.
    struct alignas(8) Inquiry {
        Inquiry* next = nullptr;
        Slot* slot = nullptr;
        Completion completion;
        std::array<Zone, 4> zones = {};
    };
    static constexpr std::size_t most_inquiries = 4;
    // Tags below are those of slots or, with this mark, the address of an inquiry.
    static constexpr std::uint64_t inquiry_mark = 1;

    void accept(std::span<const Request> requests) noexcept override;
    std::size_t collect(std::span<Completion> out) noexcept override;
    [[nodiscard]] bool take_refused(const Request& request, StatusCode code) noexcept override;

    [[nodiscard]] Slot& remember(const Request& request) noexcept;
    void ended(Slot& slot, const Completion& completion) noexcept;
    [[nodiscard]] bool ask(Slot& slot, const Completion& completion) noexcept;
    void answered(Inquiry& inquiry, const Completion& report) noexcept;
    void log(const Slot& slot, Status status, const Zone* zone) noexcept;
    void finish(Slot& slot, const Completion& completion) noexcept;

    RefusalSink& sink_;
    TagTable<Slot> slots_;
    std::array<Inquiry, most_inquiries> inquiries_;
    List<Inquiry> idle_inquiries_;
    RingBuffer<Completion> done_;
    std::unique_ptr<Queue> inner_;  // last: destroyed first, while the zone buffers above still
                                    // exist
};

TracingQueue::TracingQueue(Loop& loop, const Limits& limits, RefusalSink& sink,
                           std::unique_ptr<Queue> inner)
    : Queue(loop, limits, inner->depth()),
      sink_(sink),
      slots_(inner->depth()),
      done_(inner->depth()),
      inner_(std::move(inner)) {
    for (auto& inquiry : inquiries_) idle_inquiries_.push(inquiry);
}

TracingQueue::Slot& TracingQueue::remember(const Request& request) noexcept {
    auto& slot = slots_.take();
    slot.tag = request.tag;
    slot.operation = request.operation;
    slot.scope = request.scope;
    slot.offset = request.offset;
    slot.length = request.length;
    return slot;
}

void TracingQueue::accept(std::span<const Request> requests) noexcept {
    std::array<Request, 32> batch;
    while (!requests.empty()) {
        const auto count = std::min(batch.size(), requests.size());
        for (std::size_t i = 0; i < count; ++i) {
            batch[i] = requests[i];
            batch[i].tag = slots_.tag_of(remember(batch[i]));
        }
        inner_->take_checked(std::span(batch).first(count));
        requests = requests.subspan(count);
    }
}

bool TracingQueue::take_refused(const Request& request, StatusCode code) noexcept {
    ended(remember(request), {0, {code, {}}, 0});
    if (!done_.empty()) loop().note_ready();
    return true;
}

std::size_t TracingQueue::collect(std::span<Completion> out) noexcept {
    slots_.reap(*inner_, [this](const Completion& completion) {
        const auto address = static_cast<std::uintptr_t>(completion.tag);
        if ((address & inquiry_mark) != 0)
            answered(*reinterpret_cast<Inquiry*>(address & ~inquiry_mark), completion);
        else
            ended(slots_.slot_of(completion.tag), completion);
    });
    return hand_out(done_, out);
}

void TracingQueue::ended(Slot& slot, const Completion& completion) noexcept {
    if (!completion.status.ok()) [[unlikely]] {
        if (ask(slot, completion)) return;
        log(slot, completion.status, nullptr);
    }
    finish(slot, completion);
}

bool TracingQueue::ask(Slot& slot, const Completion& completion) noexcept {
    const auto& layout = limits().layout;
    if (!zone_tells(completion.status.code) || slot.operation == Operation::flush ||
        slot.operation == Operation::report || slot.scope == Scope::all ||
        layout.zone_count() == 0 || slot.offset >= layout.size() || !sink_.wants())
        return false;
    auto* const inquiry = idle_inquiries_.pop();
    if (inquiry == nullptr) return false;
    auto first = layout.zone_of(slot.offset);
    // The first zone that the action failed for.
    if (is_zone_action(slot.operation) && completion.result < layout.zone_count() - first)
        first += static_cast<std::uint32_t>(completion.result);
    const auto several = !is_zone_action(slot.operation) && slot.operation != Operation::append &&
                         slot.length != 0 && slot.length <= layout.size() - slot.offset;
    const auto last = several ? layout.zone_of(slot.offset + slot.length - 1) : first;
    const auto count = std::min<std::size_t>(inquiry->zones.size(), last - first + 1);
    inquiry->slot = &slot;
    inquiry->completion = completion;
    Request report;
    report.tag = reinterpret_cast<std::uintptr_t>(inquiry) | inquiry_mark;
    report.operation = Operation::report;
    report.offset = layout.start_of(first);
    report.zones = std::span(inquiry->zones).first(count);
    // There is room: the lower queue has already completed the request that the report is about.
    static_cast<void>(inner_->submit({&report, 1}));
    return true;
}

void TracingQueue::answered(Inquiry& inquiry, const Completion& report) noexcept {
    const auto known = report.status.ok() && report.result != 0;
    const auto zones =
        std::span(inquiry.zones).first(known ? static_cast<std::size_t>(report.result) : 0);
    const auto& completion = inquiry.completion;
    log(*inquiry.slot, completion.status, known ? &pick(zones, completion.status.code) : nullptr);
    finish(*inquiry.slot, completion);
    idle_inquiries_.push(inquiry);
}

void TracingQueue::log(const Slot& slot, Status status, const Zone* zone) noexcept {
    Refusal refusal;
    refusal.operation = slot.operation;
    refusal.scope = slot.scope;
    refusal.offset = slot.offset;
    refusal.length = slot.length;
    refusal.status = status;
    if (zone != nullptr) refusal.zone = *zone;
    sink_.refused(refusal);
}

void TracingQueue::finish(Slot& slot, const Completion& completion) noexcept {
    done_.push({slot.tag, completion.status, completion.result});
    slots_.give_back(slot);
}

class ExplainedDisk final : public Layer {
  public:
    ExplainedDisk(std::unique_ptr<Transport> disk, RefusalSink& sink)
        : Layer(std::move(disk)), sink_(sink) {}

    [[nodiscard]] tl::expected<std::unique_ptr<Queue>, Error> open_queue(
        Loop& loop, QueueOptions options) override {
        auto inner = below().open_queue(loop, options);
        if (!inner) return inner;
        return std::make_unique<TracingQueue>(loop, limits(), sink_, std::move(*inner));
    }

  private:
    RefusalSink& sink_;
};

}  // namespace

std::unique_ptr<Transport> trace_refusals(std::unique_ptr<Transport> disk, RefusalSink& sink) {
    return std::make_unique<ExplainedDisk>(std::move(disk), sink);
}

}  // namespace zonebridge
