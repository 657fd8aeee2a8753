// Memory that requests are copied through whose own buffers the kernel, or what lies behind it, can't
// take as they are. Few places: who finds none waits.
//
// Threads: one at a time.
// Ownership: owns its memory, of which the system gives pages only as they are used.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <tl/expected.hpp>

#include "zone/status.h"

namespace zonebridge {

class BouncePool {
  public:
    /// `count` places of `size` bytes, each of which begins a page.
    [[nodiscard]] static tl::expected<BouncePool, Error> make(std::size_t count, std::size_t size);
    BouncePool() = default;
    BouncePool(BouncePool&& other) noexcept { swap(other); }
    BouncePool& operator=(BouncePool&& other) noexcept {
        swap(other);
        return *this;
    }
    ~BouncePool();

    /// The first `length` bytes of a place, at most its size; empty if all are lent.
    [[nodiscard]] std::optional<std::span<std::uint8_t>> take(std::size_t length) noexcept;
    void give_back(std::span<std::uint8_t> place) noexcept;

  private:
    void swap(BouncePool& other) noexcept;

    std::span<std::uint8_t> memory_;
    std::vector<std::uint8_t*> free_;  // with room for all
};

}  // namespace zonebridge
