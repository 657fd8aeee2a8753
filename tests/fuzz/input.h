// Reads a fuzzer's input piece by piece; and require(), which reports a violated condition.
//
// Ownership: borrows the bytes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>

namespace zonebridge::fuzz {

class Input {
  public:
    Input(const std::uint8_t* data, std::size_t size) noexcept : rest_(data, size) {}

    [[nodiscard]] bool empty() const noexcept { return rest_.empty(); }
    /// Little-endian; zeroes past the end.
    [[nodiscard]] std::uint64_t number(std::size_t width) noexcept {
        std::uint64_t value = 0;
        const auto bytes = take(width);
        for (std::size_t i = bytes.size(); i-- > 0;) value = value << 8 | bytes[i];
        return value;
    }
    [[nodiscard]] std::uint8_t byte() noexcept { return static_cast<std::uint8_t>(number(1)); }
    /// At most `length` bytes.
    [[nodiscard]] std::span<const std::uint8_t> take(std::size_t length) noexcept {
        const auto taken = rest_.first(std::min(length, rest_.size()));
        rest_ = rest_.subspan(taken.size());
        return taken;
    }
    [[nodiscard]] std::span<const std::uint8_t> rest() noexcept { return take(rest_.size()); }

  private:
    std::span<const std::uint8_t> rest_;
};

/// The most steps of an input. Every zone can begin in any state, so a few steps reach what many reach, and a
/// fuzzer gains more from many short inputs.
inline constexpr int most_steps = 12;

/// A condition that must hold for every input. If it does not, the program aborts and the fuzzer
/// keeps the input.
inline void require(bool holds, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    if (holds) return;
    std::fprintf(stderr, "%s:%d: this does not hold\n", file, line);
    std::abort();
}

}  // namespace zonebridge::fuzz
