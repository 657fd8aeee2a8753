// Buffers that suit direct I/O, for requests whose own do not. Few: who finds none waits.
//
// Threads: one thread.
// Ownership: owns its memory, of which the system gives pages only as they are used.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include <tl/expected.hpp>

#include "zone/status.h"

namespace zonebridge::block {

class BouncePool {
  public:
    /// `count` buffers of `size` bytes, a multiple of the page size.
    [[nodiscard]] static tl::expected<BouncePool, Error> make(std::size_t count, std::size_t size);
    BouncePool() = default;
    BouncePool(BouncePool&& other) noexcept { swap(other); }
    BouncePool& operator=(BouncePool&& other) noexcept {
        swap(other);
        return *this;
    }
    ~BouncePool();

    /// The first `length` bytes of a buffer, at most its size; empty if all are lent.
    [[nodiscard]] std::optional<std::span<std::byte>> take(std::size_t length) noexcept;
    void give_back(std::span<std::byte> buffer) noexcept;

  private:
    void swap(BouncePool& other) noexcept;

    std::span<std::byte> memory_;
    std::vector<std::byte*> free_;
};

}  // namespace zonebridge::block
