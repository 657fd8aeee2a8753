// The hash of a range of a zone's data: the sum, modulo 2^64, of each block's XXH3 seeded with its
// position in the zone. It can be built piece by piece in any order, whatever the writes'
// boundaries, and the part that a commit has covered can be subtracted.
#pragma once

#include <cstdint>
#include <span>

#include <xxhash.h>

namespace zonebridge::emulated {

/// `data` is whole blocks; `position` is the first one's distance from the zone's start, in bytes.
[[nodiscard]] inline std::uint64_t hash_blocks(std::span<const std::uint8_t> data,
                                               std::uint64_t position,
                                               std::uint32_t block_size) noexcept {
    std::uint64_t sum = 0;
    for (std::size_t done = 0; done + block_size <= data.size(); done += block_size)
        sum += XXH3_64bits_withSeed(data.data() + done, block_size, position + done);
    return sum;
}

}  // namespace zonebridge::emulated
