// Limits the rate of log lines that a guest can cause as often as it likes.
//
// Threads: any; lock-free.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>

namespace zonebridge {

class RateLimit {
  public:
    using Clock = std::chrono::steady_clock;

    /// Passes at most `most` lines in each span of `span`.
    explicit RateLimit(std::uint32_t most = 10, Clock::duration span = std::chrono::minutes(1))
        : most_(most), span_(span) {}

    /// If one more line may pass at `now`: the number of lines left out since the last one that
    /// passed. Otherwise nothing.
    [[nodiscard]] std::optional<std::uint64_t> pass(Clock::time_point now = Clock::now()) noexcept {
        auto begun = begun_.load(std::memory_order_relaxed);
        const auto at = now.time_since_epoch().count();
        // The thread that wins begins a new span; one line more or less at its edge does no harm.
        if ((begun == 0 || at - begun >= span_.count()) &&
            begun_.compare_exchange_strong(begun, at, std::memory_order_relaxed))
            passed_.store(0, std::memory_order_relaxed);
        if (passed_.fetch_add(1, std::memory_order_relaxed) < most_)
            return left_out_.exchange(0, std::memory_order_relaxed);
        left_out_.fetch_add(1, std::memory_order_relaxed);
        return std::nullopt;
    }

  private:
    std::uint32_t most_;
    Clock::duration span_;
    std::atomic<Clock::rep> begun_{0};
    std::atomic<std::uint32_t> passed_{0};
    std::atomic<std::uint64_t> left_out_{0};
};

}  // namespace zonebridge
