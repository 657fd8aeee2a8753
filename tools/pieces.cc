#include "tools/pieces.h"

#include <fmt/format.h>

#include "zone/types.h"

namespace zonebridge::tools {

std::uint64_t room_at(const Layout& layout, std::uint64_t offset) noexcept {
    if (offset >= layout.size()) return 0;
    if (layout.zone_count() == 0) return layout.size() - offset;
    const auto zone = layout.zone_of(offset);
    const auto end = layout.start_of(zone) + layout.capacity_of(zone);
    return offset < end ? end - offset : 0;
}

std::uint32_t granularity_at(const Limits& limits, std::uint64_t offset) noexcept {
    const auto& layout = limits.layout;
    if (layout.zone_count() == 0 || offset >= layout.size()) return limits.logical_block_size;
    return layout.is_required(layout.zone_of(offset)) ? limits.physical_block_size
                                                      : limits.logical_block_size;
}

std::string situation_at(DiskClient& session, std::uint64_t offset) {
    const auto& layout = session.layout();
    if (layout.zone_count() == 0 || offset >= layout.size()) return {};
    Zone zone;
    const auto reported = session.report(offset, {&zone, 1});
    if (!reported || *reported != 1) return {};
    auto words = fmt::format(" (zone {}", layout.zone_of(offset));
    // The refusal has already said that a zone is full.
    if (zone.type == ZoneType::conventional)
        words += " is conventional";
    else if (zone.state != ZoneState::full)
        words += fmt::format(" is {}", to_string(zone.state));
    if (zone.write_pointer)
        words += fmt::format(", its write pointer is {}, its capacity ends at {}",
                             *zone.write_pointer, zone.start + zone.capacity);
    return words + ")";
}

std::string no_room_at(const Layout& layout, std::uint64_t offset) {
    if (offset >= layout.size() || layout.zone_count() == 0)
        return fmt::format("the disk ends at {}", layout.size());
    const auto zone = layout.zone_of(offset);
    return fmt::format("the capacity of zone {} ends at {}", zone,
                       layout.start_of(zone) + layout.capacity_of(zone));
}

}  // namespace zonebridge::tools
