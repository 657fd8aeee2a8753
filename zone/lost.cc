#include "zone/lost.h"

namespace zonebridge {

Shown shown_of_write(const Zone& zone, std::uint64_t offset, std::uint64_t length) noexcept {
    const auto full = zone.state == ZoneState::full;
    if (!full && !zone.write_pointer) return Shown::unknown;
    const auto pointer = full ? zone.start + zone.capacity : *zone.write_pointer;
    if (pointer == offset) return Shown::not_done;
    if (pointer < offset) return Shown::unknown;
    if (pointer - offset >= length) return Shown::perhaps;
    return full ? Shown::unknown : Shown::in_part;
}

bool shows_action(ZoneState state, Operation action) noexcept {
    switch (zone_action_of(action)) {
        case ZoneAction::open:
            return state == ZoneState::explicit_open;
        case ZoneAction::close:
            return state == ZoneState::closed || state == ZoneState::empty;
        case ZoneAction::finish:
            return state == ZoneState::full;
        case ZoneAction::reset:
            return state == ZoneState::empty;
    }
    return false;
}

}  // namespace zonebridge
