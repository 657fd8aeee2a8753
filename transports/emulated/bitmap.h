// A bitmap that finds the next set or clear bit quickly. Its size is fixed after construction, so
// that nothing allocates later.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace zonebridge::emulated {

class Bitmap {
  public:
    Bitmap() = default;
    explicit Bitmap(std::size_t size) : size_(size), words_((size + 63) / 64) {}

    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] std::size_t count() const noexcept { return count_; }
    [[nodiscard]] bool test(std::size_t i) const noexcept {
        return (words_[i / 64] >> (i % 64) & 1) != 0;
    }
    void set(std::size_t i) noexcept {
        count_ += test(i) ? 0 : 1;
        words_[i / 64] |= std::uint64_t{1} << (i % 64);
    }
    void clear(std::size_t i) noexcept {
        count_ -= test(i) ? 1 : 0;
        words_[i / 64] &= ~(std::uint64_t{1} << (i % 64));
    }
    [[nodiscard]] std::optional<std::size_t> next_set(std::size_t from) const noexcept {
        return find(from, 0);
    }
    [[nodiscard]] std::optional<std::size_t> next_clear(std::size_t from) const noexcept {
        return find(from, ~std::uint64_t{0});
    }
    /// Sets every bit that is set in `other`, which has the same size.
    void add(const Bitmap& other) noexcept {
        if (other.count_ == 0) return;
        count_ = 0;
        for (std::size_t i = 0; i < words_.size(); ++i) {
            words_[i] |= other.words_[i];
            count_ += static_cast<std::size_t>(std::popcount(words_[i]));
        }
    }
    void clear_all() noexcept {
        if (count_ == 0) return;
        std::fill(words_.begin(), words_.end(), 0);
        count_ = 0;
    }
    /// Moves every set bit of `other`, which has the same size, into this one.
    void take(Bitmap& other) noexcept {
        add(other);
        other.clear_all();
    }

  private:
    [[nodiscard]] std::optional<std::size_t> find(std::size_t from,
                                                  std::uint64_t flip) const noexcept {
        if (from >= size_) return std::nullopt;
        auto word = from / 64;
        auto bits = (words_[word] ^ flip) & (~std::uint64_t{0} << (from % 64));
        while (bits == 0) {
            if (++word == words_.size()) return std::nullopt;
            bits = words_[word] ^ flip;
        }
        const auto found = word * 64 + static_cast<std::size_t>(std::countr_zero(bits));
        if (found >= size_) return std::nullopt;
        return found;
    }

    std::size_t size_ = 0;
    std::size_t count_ = 0;
    std::vector<std::uint64_t> words_;
};

}  // namespace zonebridge::emulated
