#include "layers/sequencer/sweep.h"

#include <algorithm>
#include <utility>

#include "layers/sequencer/verdict.h"

namespace zonebridge::sequencer {

void Sweep::add(Node& node) noexcept {
    node.use = Node::Use::sweeping;
    ++pending_;
    channel_.zones.sweeps.add(node);
}

void Sweep::run() noexcept {
    if (pending_ == 0 || in_device_) return;
    if (node_ == nullptr) {
        auto* first = channel_.zones.sweeps.first();
        if (first == nullptr || !channel_.requests.owns(*first)) return;
        node_ = first;
        step_ = Step::drain;
        zone_ = first->zone;
        stop_.reset();
        room_begun_ = channel_.zones.room.begun();
    }
    if (!is_drained() || !pause_room() || !is_drained()) return;
    zone_ = node_->zone;
    go_on();
}

/// Pauses closing for room until the sweep ends; whether no zone is being closed. A zone closed
/// meanwhile may have been found quiet before; then all zones are checked again.
bool Sweep::pause_room() noexcept {
    if (!room_paused_) {
        room_paused_ = true;
        channel_.zones.room.pause();
        if (channel_.zones.room.begun() != room_begun_) zone_ = node_->zone;
    }
    return !channel_.zones.room.is_being_made();
}

void Sweep::resume_room() noexcept {
    if (!std::exchange(room_paused_, false)) return;
    channel_.zones.room.resume(channel_);
}

/// Checks zone after zone; the first one that is not quiet wakes the sweep once it is. A zone found
/// quiet stays so, except for closing for room: later requests are held back.
bool Sweep::is_drained() noexcept {
    const auto& node = *node_;
    const auto& layout = channel_.limits.layout;
    for (; zone_ <= node.last_zone; ++zone_) {
        if (layout.is_conventional(zone_)) continue;
        auto& line = channel_.zones.line(zone_);
        const std::lock_guard guard(line.lock);
        if (!line.is_quiet(node.order)) {
            line.sweep_waits = true;
            return false;
        }
        line.pointer.forget();
        channel_.zones.room.note_swept(line);
    }
    return true;
}

/// Issues the next command of a sweep whose zones are quiet.
void Sweep::go_on() noexcept {
    const auto& node = *node_;
    const auto& request = node.request;
    const auto judged =
        request.operation == Operation::open || request.operation == Operation::close;
    if (request.scope == Scope::all &&
        !channel_.native_all.has(zone_action_of(request.operation))) {
        all_.begin(request.operation);
        return act_on_all();
    }
    if (request.scope == Scope::all || !judged) return act(node.last_zone + 1);
    if (zone_ > node.last_zone) return end({});
    report(node.last_zone + 1 - zone_, Step::judge);
}

void Sweep::act(std::uint32_t end) noexcept {
    const auto& layout = channel_.limits.layout;
    auto& request = channel_.device.make(sweep_tag);
    request.operation = node_->request.operation;
    request.scope = node_->request.scope;
    if (request.scope == Scope::zones) {
        request.offset = layout.start_of(zone_);
        request.length = layout.start_of(end - 1) + layout.length_of(end - 1) - request.offset;
    }
    step_ = Step::act;
    end_ = end;
    in_device_ = true;
}

void Sweep::act_on_all() noexcept {
    const auto made = all_.next();
    if (!made) return end(all_.status());
    auto& request = channel_.device.make(sweep_tag);
    const auto tag = request.tag;
    request = *made;
    request.tag = tag;
    step_ = Step::all;
    in_device_ = true;
}

void Sweep::report(std::size_t zones, Step step) noexcept {
    auto& request = channel_.device.make(sweep_tag);
    request.operation = Operation::report;
    request.offset = channel_.limits.layout.start_of(zone_);
    request.zones = std::span(zones_).first(std::min(zones, zones_.size()));
    step_ = step;
    in_device_ = true;
}

void Sweep::completed(const Completion& completion) noexcept {
    in_device_ = false;
    switch (step_) {
        case Step::drain:
            return;
        case Step::judge:
            return judged(completion);
        case Step::act:
            return acted(completion);
        case Step::explain:
            return explained(completion);
        case Step::all:
            all_.completed(completion);
            return act_on_all();
    }
}

/// One command acts on the zones up to the first that refuses.
void Sweep::judged(const Completion& completion) noexcept {
    if (!completion.status.ok()) return end(completion.status);
    const auto& layout = channel_.limits.layout;
    const auto left = node_->last_zone + 1 - zone_;
    const auto reported = static_cast<std::uint32_t>(
        std::min<std::uint64_t>({completion.result, left, zones_.size()}));
    std::uint32_t good = 0;
    stop_.reset();
    for (; good < reported; ++good) {
        const auto& zone = zones_[good];
        if (zone.start != layout.start_of(zone_ + good)) break;
        const auto verdict = judge_action(node_->request.operation, zone.state);
        if (!verdict || *verdict == StatusCode::ok) continue;
        stop_ = *verdict;
        break;
    }
    if (good != 0) return act(zone_ + good);
    end({stop_.value_or(StatusCode::io_error), {}});
}

void Sweep::acted(const Completion& completion) noexcept {
    if (node_->request.scope == Scope::all) return end(completion.status);
    if (completion.status.ok()) {
        zone_ = end_;
        if (stop_) return end({*stop_, {}});
        if (zone_ > node_->last_zone) return end({});
        return go_on();
    }
    const auto most = end_ - zone_ - 1;
    zone_ += static_cast<std::uint32_t>(std::min<std::uint64_t>(completion.result, most));
    failure_ = completion.status;
    report(1, Step::explain);
}

void Sweep::explained(const Completion& completion) noexcept {
    const auto& zone = zones_[0];
    const auto explained = completion.status.ok() && completion.result == 1 &&
                           zone.start == channel_.limits.layout.start_of(zone_);
    if (!explained) return end(failure_);
    const auto status = explain_action(node_->request.operation, zone.state, failure_);
    if (!status.ok()) return end(status);
    // Nothing had to change in that zone.
    if (++zone_ > node_->last_zone) return end({});
    go_on();
}

void Sweep::end(Status status) noexcept {
    auto& node = *node_;
    const auto all = node.request.scope == Scope::all;
    const auto first = node.zone;
    const auto last = node.last_zone;
    const auto done = all ? 0 : zone_ - first;
    node_ = nullptr;
    --pending_;
    resume_room();  // before the next sweep can pause it
    channel_.zones.sweeps.remove(node);
    node.status = status;
    node.result = done;
    channel_.requests.give_back(node);
    unpark(first, last);
}

bool Sweep::withdraw(Node& node) noexcept {
    if (&node == node_) {
        if (step_ != Step::drain) return false;
        node_ = nullptr;
        resume_room();
    }
    --pending_;
    channel_.zones.sweeps.remove(node);
    unpark(node.zone, node.last_zone);
    return true;
}

void Sweep::abandon(Status status) noexcept {
    if (node_ != nullptr) end(status);
}

/// Takes up the lines that were parked for a sweep that has ended.
void Sweep::unpark(std::uint32_t first, std::uint32_t last) noexcept {
    const auto& layout = channel_.limits.layout;
    for (auto zone = first; zone <= last; ++zone) {
        if (layout.is_conventional(zone)) continue;
        auto& line = channel_.zones.line(zone);
        const std::lock_guard guard(line.lock);
        channel_.lines.unpark(line);
    }
}

}  // namespace zonebridge::sequencer
