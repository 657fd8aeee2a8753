// Integers as virtio's structures have them: little-endian, at any place in a copy of bytes.
//
// Threads: pure functions.
// Ownership: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace zonebridge::virtio {

/// The integer that lies `at` bytes into `bytes`, which reach that far.
template <typename Integer>
[[nodiscard]] constexpr Integer get_le(std::span<const std::uint8_t> bytes,
                                       std::size_t at) noexcept {
    Integer value = 0;
    for (std::size_t i = 0; i < sizeof(Integer); ++i)
        value = static_cast<Integer>(value | Integer{bytes[at + i]} << (8 * i));
    return value;
}

template <typename Integer>
constexpr void put_le(std::span<std::uint8_t> bytes, std::size_t at, Integer value) noexcept {
    for (std::size_t i = 0; i < sizeof(Integer); ++i)
        bytes[at + i] = static_cast<std::uint8_t>(value >> (8 * i));
}

}  // namespace zonebridge::virtio
