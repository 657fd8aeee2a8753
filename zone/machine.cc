#include "zone/machine.h"

#include <algorithm>

namespace zonebridge {

Machine::Machine(const Limits& limits, Observer* observer)
    : limits_(&limits),
      observer_(observer),
      preferred_(limits.layout.sequential_type() == ZoneType::sequential_write_preferred),
      cells_(limits.layout.zone_count()) {
    const auto& layout = limits.layout;
    std::uint32_t sequential = 0;
    for (std::uint32_t zone = 0; zone < layout.zone_count(); ++zone) {
        if (layout.is_conventional(zone)) continue;
        cells_[zone].set_state(ZoneState::empty);
        ++sequential;
    }
    if (preferred_) return;
    max_active_ = limits.max_active;
    if (limits.max_open && *limits.max_open < sequential) {
        max_open_ = limits.max_open;
        implicit_order_ = ImplicitOrder(*max_open_);
    }
}

std::uint64_t Machine::pointer_of(std::uint32_t zone) const noexcept {
    return limits_->layout.start_of(zone) + std::uint64_t{cells_[zone].pointer} * Layout::granule;
}

// ---- Data.

StatusCode Machine::begin_write(std::uint64_t offset, std::uint64_t length) noexcept {
    if (cells_.empty()) return StatusCode::ok;
    const auto zone = limits_->layout.zone_of(offset);
    if (preferred_) return begin_random_write(offset, length);
    const auto aligned = offset == pointer_of(zone);
    switch (cells_[zone].state()) {
        case ZoneState::implicit_open:
        case ZoneState::explicit_open:
            return aligned ? StatusCode::ok : StatusCode::unaligned_write;
        case ZoneState::empty:
        case ZoneState::closed:
            return aligned ? open_implicitly(zone) : StatusCode::unaligned_write;
        case ZoneState::full:
            return StatusCode::zone_full;
        case ZoneState::not_write_pointer:
        case ZoneState::read_only:
        case ZoneState::offline:
            return begin_random_write(offset, length);
    }
    return StatusCode::io_error;
}

StatusCode Machine::begin_random_write(std::uint64_t offset, std::uint64_t length) noexcept {
    const auto first = limits_->layout.zone_of(offset);
    const auto last = limits_->layout.zone_of(offset + length - 1);
    for (auto zone = first; zone <= last; ++zone) {
        if (cells_[zone].state() == ZoneState::read_only) return StatusCode::zone_read_only;
        if (cells_[zone].state() == ZoneState::offline) return StatusCode::zone_offline;
    }
    // Only preferred zones can be empty or closed here, and they have no open or active limit.
    for (auto zone = first; zone <= last; ++zone) {
        const auto state = cells_[zone].state();
        if (state == ZoneState::empty || state == ZoneState::closed)
            change(zone, ZoneState::implicit_open);
    }
    return StatusCode::ok;
}

tl::expected<std::uint64_t, StatusCode> Machine::begin_append(std::uint64_t zone_start,
                                                              std::uint64_t length) noexcept {
    if (cells_.empty()) return tl::unexpected(StatusCode::not_sequential);
    const auto& layout = limits_->layout;
    const auto zone = layout.zone_of(zone_start);
    const auto pointer = pointer_of(zone);
    const auto room = layout.start_of(zone) + layout.capacity_of(zone) - pointer;
    auto code = StatusCode::ok;
    switch (cells_[zone].state()) {
        case ZoneState::implicit_open:
        case ZoneState::explicit_open:
            if (length > room) code = StatusCode::crosses_boundary;
            break;
        case ZoneState::empty:
        case ZoneState::closed:
            code = length > room ? StatusCode::crosses_boundary : open_implicitly(zone);
            break;
        case ZoneState::full:
            code = StatusCode::zone_full;
            break;
        case ZoneState::not_write_pointer:
            code = StatusCode::not_sequential;
            break;
        case ZoneState::read_only:
            code = StatusCode::zone_read_only;
            break;
        case ZoneState::offline:
            code = StatusCode::zone_offline;
            break;
    }
    if (code != StatusCode::ok) return tl::unexpected(code);
    return pointer;
}

void Machine::advance(std::uint64_t offset, std::uint64_t length) noexcept {
    if (cells_.empty() || length == 0) return;
    const auto& layout = limits_->layout;
    const auto end = offset + length;
    auto zone = layout.zone_of(offset);
    advance_zone(zone, offset, end);
    for (++zone; zone < cells_.size() && layout.start_of(zone) < end; ++zone)
        advance_zone(zone, layout.start_of(zone), end);
}

void Machine::advance_zone(std::uint32_t zone, std::uint64_t offset, std::uint64_t end) noexcept {
    const auto& layout = limits_->layout;
    if (layout.is_conventional(zone)) return;
    const auto start = layout.start_of(zone);
    const auto limit = start + layout.capacity_of(zone);
    const auto pointer = pointer_of(zone);
    end = std::min(end, limit);
    if (end <= pointer || (!preferred_ && offset > pointer)) return;

    auto& cell = cells_[zone];
    cell.pointer = static_cast<std::uint32_t>((end - start) / Layout::granule);
    switch (cell.state()) {
        case ZoneState::empty:  // closed to make room while the data was in flight
            change(zone, end == limit ? ZoneState::full : ZoneState::closed);
            return;
        case ZoneState::implicit_open:
        case ZoneState::explicit_open:
        case ZoneState::closed:
            if (end == limit) {
                change(zone, ZoneState::full);
                return;
            }
            break;
        case ZoneState::full:
        case ZoneState::read_only:
        case ZoneState::offline:
        case ZoneState::not_write_pointer:
            break;
    }
    notify(zone);
}

StatusCode Machine::check_read(std::uint64_t offset, std::uint64_t length) const noexcept {
    if (cells_.empty() || length == 0) return StatusCode::ok;
    const auto& layout = limits_->layout;
    const auto end = offset + length;
    const auto last = layout.zone_of(end - 1);
    for (auto zone = layout.zone_of(offset); zone <= last; ++zone) {
        switch (cells_[zone].state()) {
            case ZoneState::offline:
                return StatusCode::zone_offline;
            case ZoneState::empty:
            case ZoneState::implicit_open:
            case ZoneState::explicit_open:
            case ZoneState::closed:
                if (!limits_->reads_past_pointer && !preferred_ && end > pointer_of(zone))
                    return StatusCode::read_past_pointer;
                break;
            case ZoneState::full:
            case ZoneState::read_only:
            case ZoneState::not_write_pointer:
                break;
        }
    }
    return StatusCode::ok;
}

std::uint64_t Machine::written_end(std::uint32_t zone) const noexcept {
    const auto& layout = limits_->layout;
    if (layout.is_conventional(zone)) return layout.start_of(zone) + layout.length_of(zone);
    return pointer_of(zone);
}

// ---- Resources.

StatusCode Machine::make_room(ZoneState from) noexcept {
    if (from == ZoneState::empty && max_active_ && active_count() >= *max_active_)
        return StatusCode::too_many_active;
    if (!max_open_) return StatusCode::ok;
    if (explicit_count_ >= *max_open_) return StatusCode::too_many_open;
    if (open_count() >= *max_open_) close_open_zone(implicit_order_.oldest());
    return StatusCode::ok;
}

StatusCode Machine::open_implicitly(std::uint32_t zone) noexcept {
    const auto code = make_room(cells_[zone].state());
    if (code == StatusCode::ok) change(zone, ZoneState::implicit_open);
    return code;
}

void Machine::close_open_zone(std::uint32_t zone) noexcept {
    change(zone, cells_[zone].pointer == 0 ? ZoneState::empty : ZoneState::closed);
}

void Machine::change(std::uint32_t zone, ZoneState state) noexcept {
    count(cells_[zone].state(), zone, false);
    cells_[zone].set_state(state);
    count(state, zone, true);
    notify(zone);
}

void Machine::count(ZoneState state, std::uint32_t zone, bool entering) noexcept {
    const auto step = entering ? 1U : ~0U;  // unsigned: adding ~0U subtracts 1
    switch (state) {
        case ZoneState::implicit_open:
            implicit_count_ += step;
            if (!max_open_) return;
            if (entering)
                implicit_order_.push(cells_, zone);
            else
                implicit_order_.remove(cells_, zone);
            return;
        case ZoneState::explicit_open:
            explicit_count_ += step;
            return;
        case ZoneState::closed:
            closed_count_ += step;
            return;
        case ZoneState::not_write_pointer:
        case ZoneState::empty:
        case ZoneState::full:
        case ZoneState::read_only:
        case ZoneState::offline:
            return;
    }
}

void Machine::notify(std::uint32_t zone) noexcept {
    if (observer_ != nullptr) observer_->zone_changed(zone);
}

std::uint32_t Machine::open_count() const noexcept {
    return implicit_count_ + explicit_count_;
}
std::uint32_t Machine::active_count() const noexcept {
    return open_count() + closed_count_;
}

}  // namespace zonebridge
