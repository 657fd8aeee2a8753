// A pool of bounce buffers for requests whose own buffers the kernel, or the device, can't take
// directly. There are few; a request that gets none waits.
//
// Threads: one at a time.
// Ownership: owns its memory; the system allocates its pages only as they are used.
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
    /// `count` page-aligned buffers of `size` bytes.
    [[nodiscard]] static tl::expected<BouncePool, Error> make(std::size_t count, std::size_t size);
    BouncePool() = default;
    BouncePool(BouncePool&& other) noexcept { swap(other); }
    BouncePool& operator=(BouncePool&& other) noexcept {
        swap(other);
        return *this;
    }
    ~BouncePool();

    /// The first `length` bytes of a buffer, at most its size; empty if all are in use.
    [[nodiscard]] std::optional<std::span<std::uint8_t>> take(std::size_t length) noexcept;
    void give_back(std::span<std::uint8_t> place) noexcept;

  private:
    void swap(BouncePool& other) noexcept;

    std::span<std::uint8_t> memory_;
    std::vector<std::uint8_t*> free_;  // with room for all
};

}  // namespace zonebridge
