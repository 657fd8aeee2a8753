#include "layers/fault/queue.h"

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <sys/timerfd.h>
#include <unistd.h>
#include <utility>

namespace zonebridge::fault {
namespace {

StatusCode code_of(ZoneState bad) noexcept {
    return bad == ZoneState::offline ? StatusCode::zone_offline : StatusCode::zone_read_only;
}

/// For a heap with the earliest due on top.
constexpr auto is_later = [](const auto& one, const auto& other) noexcept {
    return one.due != other.due ? one.due > other.due : one.order > other.order;
};

}  // namespace

tl::expected<std::unique_ptr<Queue>, Error> FaultyQueue::open(Loop& loop, Transport& disk,
                                                              Rules& rules, QueueOptions options) {
    auto inner = disk.open_queue(loop, options);
    if (!inner) return tl::unexpected(std::move(inner.error()));
    auto queue =
        std::make_unique<FaultyQueue>(Private{}, loop, disk.limits(), rules, std::move(*inner));
    if (rules.has_latencies()) {
        queue->timer_fd_ = ::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        if (queue->timer_fd_ < 0) return tl::unexpected(os_failure(errno, "can't make a timer"));
        if (auto watched = loop.watch(queue->timer_fd_, *queue); !watched) {
            ::close(queue->timer_fd_);
            queue->timer_fd_ = -1;
            return tl::unexpected(std::move(watched.error()));
        }
    }
    return queue;
}

FaultyQueue::FaultyQueue(Private, Loop& loop, const Limits& limits, Rules& rules,
                         std::unique_ptr<Queue> inner)
    : Queue(loop, limits, inner->depth()),
      rules_(rules),
      slots_(inner->depth()),
      done_(inner->depth()),
      all_(limits),
      inner_(std::move(inner)) {
    if (rules.has_latencies()) held_.reserve(slots_.size());
}

FaultyQueue::~FaultyQueue() {
    if (timer_fd_ < 0) return;
    loop().unwatch(timer_fd_);
    ::close(timer_fd_);
}

void FaultyQueue::accept(std::span<const Request> requests) noexcept {
    for (const auto& request : requests) take(request);
    if (!done_.empty()) loop().note_ready();
    if (!held_.empty()) set_timer();
}

void FaultyQueue::take(const Request& request) noexcept {
    auto& slot = slots_.take();
    slot.request = request;
    slot.stop.reset();
    if (rules_.gone()) {
        slot.latency = {};
        return finish(slot, {StatusCode::device_gone, {}}, 0);
    }
    const auto verdict = rules_.judge(request);
    slot.latency = verdict.latency;
    if (rules_.gone()) return finish(slot, {StatusCode::device_gone, {}}, 0);
    if (rules_.any_bad()) {
        if (request.scope == Scope::all) {
            // A rule's own error takes precedence: the action does nothing then.
            if (verdict.error) return finish(slot, {*verdict.error, {}}, 0);
            pending_all_.push(slot);
            if (current_all_ == nullptr) begin_all();
            return;
        }
        if (const auto bad = find_bad(request)) {
            const auto start = limits().layout.start_of(bad->zone);
            if (!is_zone_action(request.operation) || start <= request.offset)
                return finish(slot, {code_of(bad->state), {}}, 0);
            if (verdict.error) return finish(slot, {*verdict.error, {}}, 0);
            // Act on the zones before the bad zone only.
            slot.stop = bad->state;
            auto part = request;
            part.length = start - request.offset;
            part.tag = slots_.tag_of(slot);
            return make(part);
        }
    }
    if (verdict.error) return finish(slot, {*verdict.error, {}}, 0);
    auto passed = request;
    passed.tag = slots_.tag_of(slot);
    inner_->take_checked({&passed, 1});
}

std::optional<Rules::Bad> FaultyQueue::find_bad(const Request& request) const noexcept {
    switch (request.operation) {
        case Operation::flush:
        case Operation::report:
            return std::nullopt;
        case Operation::append: {
            const auto zone = limits().layout.zone_of(request.offset);
            return rules_.find_bad(zone, zone, false);
        }
        case Operation::read:
        case Operation::write:
        case Operation::open:
        case Operation::close:
        case Operation::finish:
        case Operation::reset:
        case Operation::discard:
        case Operation::write_zeroes:
            break;
    }
    const auto& layout = limits().layout;
    return rules_.find_bad(layout.zone_of(request.offset),
                           layout.zone_of(request.offset + request.length - 1),
                           request.operation == Operation::read);
}

/// A request that this queue makes itself: one at a time for each slot, so there is room.
void FaultyQueue::make(const Request& request) noexcept {
    static_cast<void>(inner_->submit({&request, 1}));
}

std::size_t FaultyQueue::collect(std::span<Completion> out) noexcept {
    slots_.reap(*inner_, [this](const Completion& completion) {
        returned(slots_.slot_of(completion.tag), completion);
    });
    if (!held_.empty()) release_due();
    return hand_out(done_, out);
}

void FaultyQueue::returned(Slot& slot, const Completion& completion) noexcept {
    auto status = completion.status;
    const auto& request = slot.request;
    if (&slot == current_all_) return all_continued(completion);
    if (status.ok()) {
        if (slot.stop) {
            status.code = code_of(*slot.stop);
        } else if (request.operation == Operation::report) {
            if (rules_.any_bad()) show_states(request.zones, completion.result);
        } else if (request.operation == Operation::append && rules_.has_append_spots()) {
            const auto landed = rules_.judge_landed(completion.result, request.length);
            slot.latency = std::max(slot.latency, landed.latency);
            if (rules_.gone())
                status.code = StatusCode::device_gone;
            else if (landed.error)
                status.code = *landed.error;
        }
    }
    finish(slot, status, completion.result);
}

void FaultyQueue::show_states(std::span<Zone> zones, std::uint64_t count) const noexcept {
    for (auto& zone : zones.first(count)) {
        const auto state = rules_.state_of(limits().layout.zone_of(zone.start));
        if (!state) continue;
        zone.state = *state;
        zone.write_pointer.reset();
    }
}

// ---- Actions on all zones, where the rules have made zones bad that the disk below does not know.
// They are carried out zone by zone, so that they pass the bad zones over.

void FaultyQueue::begin_all() noexcept {
    current_all_ = pending_all_.pop();
    if (current_all_ == nullptr) return;
    all_.begin(current_all_->request.operation);
    continue_all();
}

void FaultyQueue::continue_all() noexcept {
    if (auto request = all_.next()) {
        request->tag = slots_.tag_of(*current_all_);
        reported_ = request->zones;
        return make(*request);
    }
    finish(*std::exchange(current_all_, nullptr), all_.status(), 0);
    begin_all();
}

void FaultyQueue::all_continued(const Completion& completion) noexcept {
    if (completion.status.ok() && !reported_.empty()) show_states(reported_, completion.result);
    all_.completed(completion);
    continue_all();
}

void FaultyQueue::finish(Slot& slot, Status status, std::uint64_t result) noexcept {
    const Completion completion{slot.request.tag, status, result};
    if (slot.latency.count() == 0) {
        done_.push(completion);
    } else {
        held_.push_back({Clock::now() + slot.latency, held_order_++, completion});
        std::push_heap(held_.begin(), held_.end(), is_later);
    }
    slots_.give_back(slot);
}

// ---- Delayed completions.

void FaultyQueue::release_due() noexcept {
    const auto now = Clock::now();
    while (!held_.empty() && held_.front().due <= now) {
        done_.push(held_.front().completion);
        std::pop_heap(held_.begin(), held_.end(), is_later);
        held_.pop_back();
    }
    set_timer();
}

void FaultyQueue::set_timer() noexcept {
    if (held_.empty() || timer_ == held_.front().due) return;
    timer_ = held_.front().due;
    const auto since = std::chrono::duration_cast<std::chrono::nanoseconds>(
        timer_->time_since_epoch());  // steady_clock is CLOCK_MONOTONIC
    itimerspec when{};
    when.it_value.tv_sec = static_cast<std::time_t>(since.count() / 1'000'000'000);
    when.it_value.tv_nsec = static_cast<long>(since.count() % 1'000'000'000);
    (void)::timerfd_settime(timer_fd_, TFD_TIMER_ABSTIME, &when, nullptr);
}

}  // namespace zonebridge::fault
