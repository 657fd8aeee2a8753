// The bytes of the fuzzers' disks in memory. When an input begins, every zone has a pattern. The same memory
// serves one input after the other, because fresh memory for each would take longer than the input.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace zonebridge::fuzz {

struct ByteRange {
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
};

/// The bytes of a disk, with a pattern in each zone.
[[nodiscard]] std::vector<std::uint8_t> first_bytes(std::uint64_t size, std::uint64_t zone_size);
/// Takes bytes that first_bytes() made for zones of that size, and undoes the changes.
void give_back(std::vector<std::uint8_t> bytes, std::uint64_t zone_size,
               std::span<const ByteRange> changed);
/// Whether all bytes that were given back have their first contents.
[[nodiscard]] bool spares_are_as_at_first();

/// Fills `bytes` with a pattern that differs between stamps and positions.
void stamp(std::span<std::uint8_t> bytes, std::uint64_t with);

}  // namespace zonebridge::fuzz
