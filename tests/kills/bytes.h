// What the pieces contain that the workload writes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace zonebridge::kills {

/// The length of every append, and of every write to a conventional zone.
inline constexpr std::uint32_t slot = 16384;

/// Bytes that no other seed has. The first eight are the seed.
[[nodiscard]] inline std::vector<std::byte> bytes_of(std::uint64_t seed, std::uint32_t length) {
    std::vector<std::byte> bytes(length);
    auto word = seed;
    for (std::size_t at = 0; at < length; at += sizeof word) {
        std::memcpy(bytes.data() + at, &word, sizeof word);
        word = word * 6364136223846793005U + 1442695040888963407U;
    }
    return bytes;
}

[[nodiscard]] inline std::uint64_t seed_of(std::span<const std::byte> bytes) {
    std::uint64_t seed = 0;
    if (bytes.size() >= sizeof seed) std::memcpy(&seed, bytes.data(), sizeof seed);
    return seed;
}

}  // namespace zonebridge::kills
