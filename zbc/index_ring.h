// A first-in first-out queue of small numbers with a fixed capacity.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace zonebridge::zbc {

class IndexRing {
  public:
    explicit IndexRing(std::size_t capacity) : numbers_(capacity) {}

    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    /// The i-th from the front. Requires i < size().
    [[nodiscard]] std::uint32_t at(std::size_t i) const noexcept {
        return numbers_[(head_ + i) % numbers_.size()];
    }
    /// Requires room.
    void push(std::uint32_t number) noexcept {
        numbers_[(head_ + size_++) % numbers_.size()] = number;
    }
    /// Requires count <= size().
    void drop(std::size_t count) noexcept {
        head_ = (head_ + count) % numbers_.size();
        size_ -= count;
    }
    /// Requires !empty().
    std::uint32_t pop() noexcept {
        const auto number = at(0);
        drop(1);
        return number;
    }

  private:
    std::vector<std::uint32_t> numbers_;
    std::size_t head_ = 0;
    std::size_t size_ = 0;
};

}  // namespace zonebridge::zbc
