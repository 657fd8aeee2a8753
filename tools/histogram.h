// Counts values in buckets whose width grows with the value: each about one and a half percent
// wide. Adding is a few instructions and never allocates.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace zonebridge::tools {

/// For nanoseconds, or any other whole numbers.
class Histogram {
  public:
    void add(std::uint64_t value) noexcept {
        ++buckets_[bucket_of(value)];
        ++count_;
        sum_ += value;
        if (value < min_ || count_ == 1) min_ = value;
        if (value > max_) max_ = value;
    }

    [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
    /// This and the following are 0 while nothing was added.
    [[nodiscard]] std::uint64_t min() const noexcept { return min_; }
    [[nodiscard]] std::uint64_t max() const noexcept { return max_; }
    [[nodiscard]] double mean() const noexcept;
    /// The value that `percent` of all values do not exceed, rounded up by at most a bucket.
    [[nodiscard]] std::uint64_t percentile(double percent) const noexcept;

  private:
    // Each power of two has 64 buckets; values below 64 have one each.
    static constexpr unsigned fine_bits = 6;
    static constexpr std::size_t bucket_count = (64 - fine_bits + 1) << fine_bits;

    static constexpr std::size_t bucket_of(std::uint64_t value) noexcept {
        if (value < (1U << fine_bits)) return static_cast<std::size_t>(value);
        const auto shift = static_cast<unsigned>(std::bit_width(value)) - 1 - fine_bits;
        return ((shift + std::size_t{1}) << fine_bits) +
               static_cast<std::size_t>((value >> shift) - (1U << fine_bits));
    }
    static std::uint64_t top_of(std::size_t bucket) noexcept;

    std::array<std::uint64_t, bucket_count> buckets_{};
    std::uint64_t count_ = 0;
    std::uint64_t sum_ = 0;
    std::uint64_t min_ = 0;
    std::uint64_t max_ = 0;
};

}  // namespace zonebridge::tools
