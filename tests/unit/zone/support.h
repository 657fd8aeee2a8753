// For all tests of the zone model: small disks, and a count of allocations.
//
// Threads: any. The count is that of the whole program.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <ostream>

#include "base/size.h"
#include "zone/limits.h"

namespace zonebridge::test {

inline constexpr auto required = ZoneType::sequential_write_required;
inline constexpr auto preferred = ZoneType::sequential_write_preferred;

/// The shape of a disk; by default ten zones of 64 KiB.
struct Disk {
    std::uint64_t size = 640 * KiB;
    std::uint64_t zone_size = 64 * KiB;
    std::uint64_t zone_capacity = 64 * KiB;
    std::uint32_t conventional = 0;
    ZoneType type = ZoneType::sequential_write_required;
    std::optional<std::uint32_t> max_open = std::nullopt;
    std::optional<std::uint32_t> max_active = std::nullopt;
};

inline std::ostream& operator<<(std::ostream& out, const Disk& disk) {
    out << disk.size / KiB << " KiB in zones of " << disk.zone_size / KiB << " with "
        << disk.zone_capacity / KiB << ", " << disk.conventional << " conventional, then "
        << to_string(disk.type);
    if (disk.max_open) out << ", open at most " << *disk.max_open;
    if (disk.max_active) out << ", active at most " << *disk.max_active;
    return out;
}

inline Limits limits_of(const Disk& disk) {
    Limits limits;
    limits.model =
        disk.type == ZoneType::sequential_write_preferred ? Model::host_aware : Model::host_managed;
    limits.layout =
        Layout(disk.size, disk.zone_size, disk.zone_capacity, disk.conventional, disk.type);
    limits.logical_block_size = 512;
    limits.physical_block_size = 4096;
    limits.max_transfer = 1 * MiB;
    limits.max_segments = 4;
    limits.max_append = 32 * KiB;
    limits.max_open = disk.max_open;
    limits.max_active = disk.max_active;
    limits.append = Support::native;
    limits.fua = Support::native;
    return limits;
}

/// `limits` with discards and writes of zeroes of at most `most` bytes.
inline Limits with_clearing(Limits limits, std::uint64_t most) {
    limits.max_discard = limits.max_write_zeroes = most;
    limits.discard_granularity = limits.physical_block_size;
    return limits;
}

/// How often this program has allocated memory so far.
[[nodiscard]] std::size_t allocations() noexcept;

}  // namespace zonebridge::test
