// A first-in first-out queue with a fixed capacity. It allocates only in its constructor.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "base/export.h"

ZONEBRIDGE_BEGIN_PUBLIC
namespace zonebridge {

template <typename T>
class RingBuffer {
  public:
    explicit RingBuffer(std::size_t capacity) : places_(capacity) {}

    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] std::size_t capacity() const noexcept { return places_.size(); }
    /// Requires !empty().
    [[nodiscard]] const T& front() const noexcept { return places_[first_]; }

    /// Requires size() < capacity().
    void push(T value) noexcept { places_[place(size_++)] = std::move(value); }
    /// Requires !empty().
    T pop() noexcept {
        auto value = std::move(places_[first_]);
        first_ = place(1);
        --size_;
        return value;
    }
    /// Moves the first elements to `out`, at most out.size(); returns their number.
    [[nodiscard]] std::size_t take(std::span<T> out) noexcept {
        const auto count = std::min(out.size(), size_);
        for (std::size_t i = 0; i < count; ++i) out[i] = pop();
        return count;
    }

  private:
    /// The index of the i-th element from the front; i is at most the capacity. No division: this
    /// is on the data path.
    [[nodiscard]] std::size_t place(std::size_t i) const noexcept {
        const auto at = first_ + i;
        return at < places_.size() ? at : at - places_.size();
    }

    std::vector<T> places_;
    std::size_t first_ = 0;
    std::size_t size_ = 0;
};

}  // namespace zonebridge
ZONEBRIDGE_END_PUBLIC
