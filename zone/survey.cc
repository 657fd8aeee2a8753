#include "zone/survey.h"

#include <algorithm>

#include <fmt/format.h>

namespace zonebridge {
namespace {

/// Zones in these states may have lost their capacity, and nothing can be written there anyway.
bool tells_capacity(const Zone& zone) {
    return zone.state != ZoneState::read_only && zone.state != ZoneState::offline;
}

}  // namespace

Survey::Survey(std::uint64_t size, std::optional<std::uint64_t> zone_size)
    : size_(size), zone_size_(zone_size) {}

std::optional<std::string> Survey::fault_of(const Zone& zone) const {
    const auto number = conventional_.size();
    const auto fault = [&](std::string what) {
        return fmt::format("zone {} (reported at byte {}): {}", number, zone.start, what);
    };
    if (zone.start < position_)
        return fault(fmt::format("it overlaps the zone before it, which ends at {}", position_));
    if (zone.start > position_)
        return fault(fmt::format("there is a hole before it, from {} on", position_));
    if (position_ >= size_) return fault(fmt::format("it lies past the disk's end, {}", size_));
    if (zone.length == 0) return fault("it has no length");
    if (zone.length > size_ - position_)
        return fault(
            fmt::format("its length {} reaches past the disk's end, {}", zone.length, size_));

    const auto size = zone_size_.value_or(zone.length);
    if (const auto wrong = Layout::find_fault(size_, size, size, 0)) return fault(*wrong);
    const auto last = zone.length == size_ - position_;
    if (zone.length > size || (zone.length < size && !last))
        return fault(fmt::format("its length {} is not the zone size {}", zone.length, size));
    if (!zone_state_of(static_cast<std::uint8_t>(zone.state)))
        return fault(
            fmt::format("its state {} is not a zone state", static_cast<unsigned>(zone.state)));

    if (zone.type == ZoneType::conventional) return std::nullopt;
    if (zone.type != ZoneType::sequential_write_required &&
        zone.type != ZoneType::sequential_write_preferred)
        return fault(fmt::format("its type {} is not known", static_cast<unsigned>(zone.type)));
    if (sequential_type_ && zone.type != *sequential_type_)
        return fault(fmt::format("it is {}, but other zones are {}", to_string(zone.type),
                                 to_string(*sequential_type_)));
    if (zone.state == ZoneState::not_write_pointer)
        return fault("it is sequential, but its state says it has no write pointer");
    if (!tells_capacity(zone)) return std::nullopt;

    if (zone.capacity == 0) return fault("it has no capacity");
    if (zone.capacity > zone.length)
        return fault(
            fmt::format("its capacity {} is beyond its length {}", zone.capacity, zone.length));
    if (zone_capacity_) {
        if (zone.capacity != std::min(zone.length, *zone_capacity_))
            return fault(fmt::format("its capacity {} differs from the other zones' capacity, {}",
                                     zone.capacity, *zone_capacity_));
    } else if (const auto wrong = Layout::find_fault(size_, size, zone.capacity, 0)) {
        return fault(*wrong);
    }
    if (!zone.write_pointer) {
        if (zone.state == ZoneState::full) return std::nullopt;
        return fault(fmt::format("it is {} and has no write pointer", to_string(zone.state)));
    }
    if (*zone.write_pointer < zone.start || *zone.write_pointer - zone.start > zone.capacity)
        return fault(fmt::format("its write pointer {} is not in it", *zone.write_pointer));
    if (zone.state == ZoneState::empty && *zone.write_pointer != zone.start)
        return fault(fmt::format("it is empty, but its write pointer is {}", *zone.write_pointer));
    return std::nullopt;
}

std::optional<std::string> Survey::add(std::span<const Zone> zones) {
    for (const auto& zone : zones) {
        if (!fault_) fault_ = fault_of(zone);
        if (fault_) return fault_;
        if (!zone_size_) zone_size_ = zone.length;
        const auto conventional = zone.type == ZoneType::conventional;
        if (!conventional) {
            sequential_type_ = zone.type;
            // A shorter last zone that can be written to its end says nothing of the others.
            if (!zone_capacity_ && tells_capacity(zone) &&
                (zone.length == *zone_size_ || zone.capacity < zone.length))
                zone_capacity_ = zone.capacity;
        }
        conventional_.push_back(conventional);
        position_ += zone.length;
    }
    return std::nullopt;
}

tl::expected<Layout, std::string> Survey::finish() const {
    if (fault_) return tl::unexpected(*fault_);
    if (!complete() || !zone_size_)
        return tl::unexpected(
            fmt::format("the zones end at byte {}, the disk at {}", position_, size_));
    const auto capacity = zone_capacity_.value_or(*zone_size_);
    if (auto fault = Layout::find_fault(size_, *zone_size_, capacity, 0))
        return tl::unexpected(std::move(*fault));
    return Layout(size_, *zone_size_, capacity, conventional_,
                  sequential_type_.value_or(ZoneType::sequential_write_required));
}

}  // namespace zonebridge
