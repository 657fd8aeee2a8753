// Memory that requests are copied through whose own buffers the kernel, or what lies behind it, can't
// take as they are.
//
// Threads: belongs to its queue's thread.
// Ownership: owns its memory.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <sys/uio.h>

#include <tl/expected.hpp>

#include "zone/status.h"

namespace zonebridge::nvme {

class Bounce {
  public:
    /// Places that requests are copied through at once.
    static constexpr std::size_t places = 8;

    Bounce() = default;
    /// `size`: bytes of the largest request. Pages that are never used cost nothing.
    [[nodiscard]] static tl::expected<Bounce, Error> create(std::size_t size);
    Bounce(Bounce&& other) noexcept;
    Bounce& operator=(Bounce&& other) noexcept;
    ~Bounce();

    /// A place, which begins a page; null if all are taken.
    [[nodiscard]] std::uint8_t* take() noexcept;
    void give_back(std::uint8_t* place) noexcept;

  private:
    void* memory_ = nullptr;
    std::size_t size_ = 0;
    std::array<std::uint8_t*, places> free_{};
    std::size_t free_count_ = 0;
};

/// Copies all of `from` to the place, and back.
void gather(std::span<const iovec> from, std::uint8_t* place) noexcept;
void scatter(const std::uint8_t* place, std::span<const iovec> to) noexcept;

}  // namespace zonebridge::nvme
