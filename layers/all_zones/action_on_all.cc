#include "layers/all_zones/action_on_all.h"

#include <algorithm>
#include <span>

namespace zonebridge {
namespace {

/// Open zones are limited: write required zones alone are.
std::optional<std::uint32_t> open_limit(const Limits& limits) noexcept {
    if (limits.layout.sequential_type() != ZoneType::sequential_write_required) return std::nullopt;
    return limits.max_open;
}

}  // namespace

ActionOnAll::ActionOnAll(const Limits& limits) : limits_(limits) {
    if (const auto most = open_limit(limits))
        found_.reserve(std::min(*most, limits.layout.zone_count()));
}

void ActionOnAll::begin(Operation action) noexcept {
    action_ = action;
    // A device may close zones to make space for those that are opened, and those are not meant:
    // with a limit, the closed zones are found before the first is opened.
    const auto counts = action == Operation::open && open_limit(limits_);
    phase_ = counts ? Phase::count : Phase::act;
    status_ = {};
    zone_ = 0;
    count_ = next_ = 0;
    found_.clear();
    would_open_ = 0;
}

std::optional<Request> ActionOnAll::next() noexcept {
    const auto zones = limits_.layout.zone_count();
    if (phase_ == Phase::count) {
        if (zone_ < zones) return report();
        phase_ = Phase::open;
    }
    switch (phase_) {
        case Phase::act:
            for (; next_ < count_; ++next_)
                if (all_acts_on(action_, zones_[next_].state))
                    return act_on(action_, zone_ - static_cast<std::uint32_t>(count_ - next_));
            if (zone_ < zones) return report();
            break;
        case Phase::open:
            if (next_ < found_.size()) return act_on(Operation::open, found_[next_]);
            break;
        case Phase::undo:
            if (next_ != 0) return act_on(Operation::close, found_[--next_]);
            break;
        case Phase::count:
        case Phase::end:
            break;
    }
    phase_ = Phase::end;
    return std::nullopt;
}

Request ActionOnAll::report() noexcept {
    Request request;
    request.operation = Operation::report;
    request.offset = limits_.layout.start_of(zone_);
    request.zones = zones_;
    reporting_ = true;
    return request;
}

Request ActionOnAll::act_on(Operation action, std::uint32_t zone) const noexcept {
    Request request;
    request.operation = action;
    request.offset = limits_.layout.start_of(zone);
    request.length = limits_.layout.length_of(zone);
    return request;
}

void ActionOnAll::completed(const Completion& completion) noexcept {
    if (!reporting_) return acted(completion.status);
    reporting_ = false;
    if (!completion.status.ok()) return end(completion.status);
    const auto left = limits_.layout.zone_count() - zone_;
    if (completion.result == 0 || completion.result > std::min<std::uint64_t>(left, zones_.size()))
        return end({StatusCode::io_error, {}});
    reported(completion.result);
}

void ActionOnAll::reported(std::uint64_t count) noexcept {
    count_ = static_cast<std::size_t>(count);
    next_ = 0;
    const auto first = zone_;
    zone_ += static_cast<std::uint32_t>(count);
    if (phase_ != Phase::count) return;
    for (std::size_t i = 0; i < count_; ++i) {
        const auto closed = zones_[i].state == ZoneState::closed;
        if (!closed && zones_[i].state != ZoneState::explicit_open) continue;
        if (++would_open_ > *limits_.max_open) return end({StatusCode::too_many_open, {}});
        if (closed) found_.push_back(first + static_cast<std::uint32_t>(i));
    }
}

void ActionOnAll::acted(Status status) noexcept {
    if (phase_ == Phase::undo) return;
    if (status.ok() || status.code == StatusCode::invalid_transition) {
        ++next_;
        return;
    }
    if (phase_ != Phase::open) return end(status);
    status_ = status;
    phase_ = Phase::undo;
}

void ActionOnAll::end(Status status) noexcept {
    status_ = status;
    phase_ = Phase::end;
}

}  // namespace zonebridge
