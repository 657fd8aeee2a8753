#include "zone/limits.h"

#include <bit>

#include <fmt/format.h>

namespace zonebridge {

std::optional<std::string> Layout::find_fault(std::uint64_t size, std::uint64_t zone_size,
                                              std::uint64_t zone_capacity,
                                              std::uint64_t conventional) {
    if (size == 0) return "the disk has no size";
    if (size % granule != 0)
        return fmt::format("disk size {} is not a whole number of {}-byte blocks", size, granule);
    if (zone_size == 0) {
        if (conventional != 0) return "a disk without zones has no conventional zones";
        return std::nullopt;
    }
    if (zone_size % granule != 0)
        return fmt::format("zone size {} is not a whole number of {}-byte blocks", zone_size,
                           granule);
    if (zone_size > max_zone_size)
        return fmt::format("zone size {} is larger than {}", zone_size, max_zone_size);
    if (zone_capacity == 0) return "the zones have no capacity";
    if (zone_capacity % granule != 0)
        return fmt::format("zone capacity {} is not a whole number of {}-byte blocks",
                           zone_capacity, granule);
    if (zone_capacity > zone_size)
        return fmt::format("zone capacity {} is larger than the zone size {}", zone_capacity,
                           zone_size);
    const auto count = size / zone_size + (size % zone_size != 0);
    if (count > max_zone_count)
        return fmt::format("{} zones are more than {}: make the zones larger", count,
                           max_zone_count);
    if (conventional > count)
        return fmt::format("{} conventional zones are more than the disk's {} zones", conventional,
                           count);
    return std::nullopt;
}

Layout::Layout(std::uint64_t size, std::uint64_t zone_size, std::uint64_t zone_capacity,
               std::uint32_t conventional, ZoneType sequential_type)
    : size_(size),
      zone_size_(zone_size),
      zone_capacity_(zone_capacity),
      conventional_count_(conventional),
      sequential_type_(sequential_type) {
    if (zone_size == 0) return;
    zone_count_ = static_cast<std::uint32_t>(size / zone_size + (size % zone_size != 0));
    if (std::has_single_bit(zone_size))
        shift_ = static_cast<std::uint8_t>(std::countr_zero(zone_size));
    conventional_.resize(zone_count_ / 64 + 1);
    for (std::uint32_t zone = 0; zone < conventional; ++zone)
        conventional_[zone / 64] |= std::uint64_t{1} << (zone % 64);
}

Layout::Layout(std::uint64_t size, std::uint64_t zone_size, std::uint64_t zone_capacity,
               const std::vector<bool>& conventional, ZoneType sequential_type)
    : Layout(size, zone_size, zone_capacity, 0U, sequential_type) {
    for (std::uint32_t zone = 0; zone < conventional.size() && zone < zone_count_; ++zone) {
        if (!conventional[zone]) continue;
        conventional_[zone / 64] |= std::uint64_t{1} << (zone % 64);
        ++conventional_count_;
    }
}

}  // namespace zonebridge
