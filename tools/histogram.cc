#include "tools/histogram.h"

#include <algorithm>
#include <cmath>

namespace zonebridge::tools {

double Histogram::mean() const noexcept {
    return count_ == 0 ? 0 : static_cast<double>(sum_) / static_cast<double>(count_);
}

std::uint64_t Histogram::top_of(std::size_t bucket) noexcept {
    constexpr std::size_t fine = std::size_t{1} << fine_bits;
    if (bucket < fine) return bucket;
    const auto shift = bucket / fine - 1;
    return ((fine + bucket % fine) << shift) + ((std::uint64_t{1} << shift) - 1);
}

std::uint64_t Histogram::percentile(double percent) const noexcept {
    if (count_ == 0) return 0;
    const auto wanted = static_cast<std::uint64_t>(
        std::ceil(static_cast<double>(count_) * std::clamp(percent, 0.0, 100.0) / 100));
    std::uint64_t seen = 0;
    for (std::size_t bucket = 0; bucket < buckets_.size(); ++bucket) {
        seen += buckets_[bucket];
        if (seen >= std::max<std::uint64_t>(wanted, 1))
            return std::clamp(top_of(bucket), min_, max_);
    }
    return max_;
}

}  // namespace zonebridge::tools
