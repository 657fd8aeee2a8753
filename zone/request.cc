#include "zone/request.h"

namespace zonebridge {
namespace {

constexpr bool rows_are_in_order() {
    for (std::size_t i = 0; i < operations.size(); ++i)
        if (static_cast<std::size_t>(operations[i].operation) != i) return false;
    return true;
}
static_assert(rows_are_in_order());
static_assert(static_cast<std::size_t>(Operation::write_zeroes) + 1 == operations.size());
static_assert(zone_action_of(Operation::open) == ZoneAction::open &&
              zone_action_of(Operation::close) == ZoneAction::close &&
              zone_action_of(Operation::finish) == ZoneAction::finish &&
              zone_action_of(Operation::reset) == ZoneAction::reset);

}  // namespace

bool all_acts_on(Operation action, ZoneState state) noexcept {
    const auto open = state == ZoneState::implicit_open || state == ZoneState::explicit_open;
    const auto closed = state == ZoneState::closed;
    switch (zone_action_of(action)) {
        case ZoneAction::open:
            return closed;
        case ZoneAction::close:
            return open;
        case ZoneAction::finish:
            return open || closed;
        case ZoneAction::reset:
            return open || closed || state == ZoneState::full;
    }
    return false;
}

}  // namespace zonebridge
