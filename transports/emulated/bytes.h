// Little-endian numbers in byte arrays, for what is kept in the file.
//
// Threads: pure functions.
// Ownership: none.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>

namespace zonebridge::emulated {

template <std::unsigned_integral T>
inline void put(std::uint8_t* at, T value) noexcept {
    for (std::size_t i = 0; i < sizeof(T); ++i)
        at[i] = static_cast<std::uint8_t>(static_cast<std::uint64_t>(value) >> (8 * i));
}

template <std::unsigned_integral T>
[[nodiscard]] inline T get(const std::uint8_t* at) noexcept {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i)
        value |= static_cast<std::uint64_t>(at[i]) << (8 * i);
    return static_cast<T>(value);
}

}  // namespace zonebridge::emulated
