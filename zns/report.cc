#include "zns/report.h"

#include <algorithm>

#include "base/bytes.h"

namespace zonebridge::zns {

Report::Report(std::span<const std::uint8_t> bytes) noexcept : bytes_(bytes) {
    const auto claimed = ByteView(bytes).le64(0);
    const auto room = bytes.size() < report_header_size
                          ? 0
                          : (bytes.size() - report_header_size) / descriptor_size;
    count_ = static_cast<std::size_t>(std::min<std::uint64_t>(claimed, room));
}

tl::expected<Zone, const char*> Report::zone(std::size_t index,
                                             const ReportUnits& units) const noexcept {
    const ByteView fields(bytes_.subspan(place(index), descriptor_size));
    const auto type = fields.u8(0) & 0xF;
    const auto state = zone_state_of(static_cast<std::uint8_t>(fields.u8(1) >> 4));
    const auto capacity = fields.le64(8);
    const auto start = fields.le64(16);
    const auto pointer = fields.le64(24);
    const auto blocks = units.size / units.block_size;

    if (type != static_cast<std::uint8_t>(ZoneType::sequential_write_required))
        return tl::make_unexpected("its type is not that of a sequential write required zone");
    // Every zone of ZNS has a write pointer.
    if (!state || *state == ZoneState::not_write_pointer)
        return tl::make_unexpected("its state is not a zone state");
    if (start >= blocks) return tl::make_unexpected("it begins past the end of the namespace");
    if (capacity > blocks)
        return tl::make_unexpected("its capacity is beyond the whole namespace's");

    Zone zone;
    zone.start = start * units.block_size;
    zone.length = std::min(units.zone_size, units.size - zone.start);
    zone.capacity = capacity * units.block_size;
    zone.type = ZoneType::sequential_write_required;
    zone.state = *state;
    switch (zone.state) {
        case ZoneState::empty:  // the standard leaves the pointer undefined in this state
            zone.write_pointer = zone.start;
            break;
        case ZoneState::implicit_open:
        case ZoneState::explicit_open:
        case ZoneState::closed:
            if (pointer > blocks)
                return tl::make_unexpected("its write pointer is past the end of the namespace");
            zone.write_pointer = pointer * units.block_size;
            break;
        case ZoneState::not_write_pointer:
        case ZoneState::full:
        case ZoneState::read_only:
        case ZoneState::offline:
            break;
    }
    return zone;
}

const char* fault_of(const Zone& zone, std::uint32_t number, const Layout& layout) noexcept {
    if (zone.start != layout.start_of(number))
        return "it does not begin where the zone before it ends";
    if (zone.state == ZoneState::read_only || zone.state == ZoneState::offline) return nullptr;
    if (zone.capacity != layout.capacity_of(number)) return "its capacity has changed";
    if (zone.write_pointer &&
        (*zone.write_pointer < zone.start || *zone.write_pointer - zone.start > zone.capacity))
        return "its write pointer is not in it";
    return nullptr;
}

}  // namespace zonebridge::zns
