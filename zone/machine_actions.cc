// The machine's zone actions, reports and restoring.
#include <algorithm>

#include "zone/machine.h"

namespace zonebridge {

// ---- One zone.

StatusCode Machine::act(Operation operation, std::uint32_t zone) noexcept {
    if (!is_zone_action(operation)) return StatusCode::invalid_request;
    switch (cells_[zone].state()) {
        case ZoneState::read_only:
            return StatusCode::zone_read_only;
        case ZoneState::offline:
            return StatusCode::zone_offline;
        case ZoneState::not_write_pointer:
            return StatusCode::not_sequential;
        case ZoneState::empty:
        case ZoneState::implicit_open:
        case ZoneState::explicit_open:
        case ZoneState::closed:
        case ZoneState::full:
            break;
    }
    switch (zone_action_of(operation)) {
        case ZoneAction::open:
            return open(zone);
        case ZoneAction::close:
            return close(zone);
        case ZoneAction::finish:
            return finish(zone);
        case ZoneAction::reset:
            return reset(zone);
    }
    return StatusCode::invalid_request;
}

StatusCode Machine::open(std::uint32_t zone) noexcept {
    const auto state = cells_[zone].state();
    if (state == ZoneState::explicit_open) return StatusCode::ok;
    if (state == ZoneState::full) return StatusCode::invalid_transition;
    if (state != ZoneState::implicit_open) {
        const auto code = make_room(state);
        if (code != StatusCode::ok) return code;
    }
    change(zone, ZoneState::explicit_open);
    return StatusCode::ok;
}

StatusCode Machine::close(std::uint32_t zone) noexcept {
    const auto state = cells_[zone].state();
    if (state == ZoneState::closed) return StatusCode::ok;
    if (!is_open(state)) return StatusCode::invalid_transition;
    close_open_zone(zone);
    return StatusCode::ok;
}

StatusCode Machine::finish(std::uint32_t zone) noexcept {
    const auto state = cells_[zone].state();
    if (state == ZoneState::full) return StatusCode::ok;
    if (state == ZoneState::empty || state == ZoneState::closed) {
        const auto code = make_room(state);
        if (code != StatusCode::ok) return code;
    }
    change(zone, ZoneState::full);
    return StatusCode::ok;
}

StatusCode Machine::reset(std::uint32_t zone) noexcept {
    if (cells_[zone].state() == ZoneState::empty) return StatusCode::ok;
    cells_[zone].pointer = 0;
    change(zone, ZoneState::empty);
    return StatusCode::ok;
}

// ---- All zones.

StatusCode Machine::act_all(Operation operation) noexcept {
    if (!is_zone_action(operation)) return StatusCode::invalid_request;
    const auto each = [&](auto act) {
        for (std::uint32_t zone = 0; zone < cells_.size(); ++zone)
            if (all_acts_on(operation, cells_[zone].state())) act(zone);
        return StatusCode::ok;
    };
    switch (zone_action_of(operation)) {
        case ZoneAction::open:
            return open_all();
        case ZoneAction::close:
            return each([this](std::uint32_t zone) { close_open_zone(zone); });
        case ZoneAction::finish:
            return each([this](std::uint32_t zone) { change(zone, ZoneState::full); });
        case ZoneAction::reset:
            return each([this](std::uint32_t zone) { static_cast<void>(reset(zone)); });
    }
    return StatusCode::invalid_request;
}

StatusCode Machine::open_all() noexcept {
    if (max_open_ && std::uint64_t{explicit_count_} + closed_count_ > *max_open_)
        return StatusCode::too_many_open;
    // Make room last: the zones closed for it are not among those the command opens.
    for (std::uint32_t zone = 0; zone < cells_.size() && closed_count_ != 0; ++zone)
        if (cells_[zone].state() == ZoneState::closed) change(zone, ZoneState::explicit_open);
    while (max_open_ && open_count() > *max_open_) close_open_zone(implicit_order_.oldest());
    return StatusCode::ok;
}

// ---- Reports and restoring.

ZoneState Machine::state(std::uint32_t zone) const noexcept {
    return cells_[zone].state();
}

Zone Machine::describe(std::uint32_t zone) const noexcept {
    const auto& layout = limits_->layout;
    Zone out;
    out.start = layout.start_of(zone);
    out.length = layout.length_of(zone);
    out.capacity = layout.capacity_of(zone);
    out.type = layout.type_of(zone);
    out.state = state(zone);
    switch (out.state) {
        case ZoneState::empty:
        case ZoneState::implicit_open:
        case ZoneState::explicit_open:
        case ZoneState::closed:
            out.write_pointer = pointer_of(zone);
            break;
        case ZoneState::not_write_pointer:
        case ZoneState::full:
        case ZoneState::read_only:
        case ZoneState::offline:
            break;
    }
    return out;
}

std::size_t Machine::report(std::uint64_t offset, std::span<Zone> out) const noexcept {
    const auto& layout = limits_->layout;
    if (cells_.empty() || offset >= layout.size()) return 0;
    const auto first = layout.zone_of(offset);
    const auto count = std::min<std::size_t>(out.size(), cells_.size() - first);
    for (std::size_t i = 0; i < count; ++i)
        out[i] = describe(first + static_cast<std::uint32_t>(i));
    return count;
}

bool Machine::restore(std::uint32_t zone, ZoneState state, std::uint64_t written) noexcept {
    if (zone >= cells_.size() || !fits(zone, state, written)) return false;
    auto& cell = cells_[zone];
    if (!within_limits(cell.state(), state)) return false;
    count(cell.state(), zone, false);
    cell.pointer = static_cast<std::uint32_t>(written / Layout::granule);
    cell.set_state(state);
    count(state, zone, true);
    return true;
}

bool Machine::fits(std::uint32_t zone, ZoneState state, std::uint64_t written) const noexcept {
    const auto& layout = limits_->layout;
    const auto capacity = layout.capacity_of(zone);
    const auto conventional = layout.is_conventional(zone);
    if (conventional && written != 0 && written != capacity) return false;
    const auto block = preferred_ ? limits_->logical_block_size : limits_->physical_block_size;
    if (written > capacity || (written % block != 0 && written != capacity)) return false;
    switch (state) {
        case ZoneState::not_write_pointer:
            return conventional;
        case ZoneState::empty:
            return !conventional && written == 0;
        case ZoneState::implicit_open:
        case ZoneState::explicit_open:
        case ZoneState::closed:
            return !conventional && written < capacity;
        case ZoneState::full:
            return !conventional;
        case ZoneState::read_only:
        case ZoneState::offline:
            return true;
    }
    return false;  // a number that is not a state
}

bool Machine::within_limits(ZoneState before, ZoneState after) const noexcept {
    const auto is_active = [](ZoneState state) {
        return is_open(state) || state == ZoneState::closed;
    };
    if (max_open_ && open_count() - is_open(before) + is_open(after) > *max_open_) return false;
    return !max_active_ || active_count() - is_active(before) + is_active(after) <= *max_active_;
}

}  // namespace zonebridge
