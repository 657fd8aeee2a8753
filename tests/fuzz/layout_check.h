// Conditions on every layout that a survey accepted, whatever the device reported.
#pragma once

#include <cstdint>
#include <span>

#include "tests/fuzz/input.h"
#include "zone/limits.h"
#include "zone/types.h"

namespace zonebridge::fuzz {

inline void require_sound(const Layout& layout) {
    require(layout.size() != 0 && layout.size() % Layout::granule == 0);
    if (layout.zone_size() == 0) {
        require(layout.zone_count() == 0);
        return;
    }
    require(layout.zone_count() <= Layout::max_zone_count);
    std::uint64_t end = 0;
    for (std::uint32_t zone = 0; zone < layout.zone_count(); ++zone) {
        require(layout.start_of(zone) == end);
        require(layout.length_of(zone) != 0);
        require(layout.capacity_of(zone) != 0);
        require(layout.capacity_of(zone) <= layout.length_of(zone));
        end += layout.length_of(zone);
    }
    require(end == layout.size());
}

/// Requires that the layout matches `zones`, which are all zones given to the survey.
inline void require_same(const Layout& layout, std::span<const Zone> zones) {
    require_sound(layout);
    require(layout.zone_count() == zones.size());
    for (std::uint32_t i = 0; i < layout.zone_count(); ++i) {
        require(layout.start_of(i) == zones[i].start);
        require(layout.length_of(i) == zones[i].length);
        require(layout.type_of(i) == zones[i].type);
        if (zones[i].state != ZoneState::read_only && zones[i].state != ZoneState::offline)
            require(layout.capacity_of(i) == zones[i].capacity);
        if (!zones[i].write_pointer || zones[i].type == ZoneType::conventional) continue;
        require(*zones[i].write_pointer >= zones[i].start);
        require(*zones[i].write_pointer - zones[i].start <= zones[i].length);
    }
}

}  // namespace zonebridge::fuzz
