#include "zone/limits.h"

#include <bit>

namespace zonebridge {

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

}  // namespace zonebridge
