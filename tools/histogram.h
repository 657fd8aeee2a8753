// Times counted in buckets whose width grows with the value: about one and a half percent wide each.
// Adding is a few instructions and never allocates.
//
// Threads: one thread.
// Ownership: owns its buckets.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace zonebridge::tools {

/// Of nanoseconds, or of anything else that is counted in whole numbers.
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
    /// 0 while nothing was added; so are the others.
    [[nodiscard]] std::uint64_t min() const noexcept { return min_; }
    [[nodiscard]] std::uint64_t max() const noexcept { return max_; }
    [[nodiscard]] double mean() const noexcept;
    /// The value that `percent` of all are not above: no lower than it, and at most a bucket higher.
    [[nodiscard]] std::uint64_t percentile(double percent) const noexcept;

  private:
    // Each power of two is cut into 64: what is below 64 has a bucket of its own.
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
