// Calls that threads post to a loop, in their order.
//
// Threads: post() from any; the rest belongs to the loop's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

namespace zonebridge {

class PostedCalls {
  public:
    /// True if the loop must be woken: no earlier call is pending.
    [[nodiscard]] bool post(std::function<void()> call) {
        const std::lock_guard guard(lock_);
        posted_.push_back(std::move(call));
        return posted_.size() == 1;
    }

    /// Whether a run() has taken calls that it has not begun, because one of its calls is still
    /// running: a nested turn must not sleep on them.
    [[nodiscard]] bool has_taken() const noexcept { return next_ != taken_.size(); }

    /// Runs everything posted before, oldest first; returns whether there was anything. A call may
    /// call run() again: the inner run continues with the next call, so that the order holds.
    bool run() {
        {
            const std::lock_guard guard(lock_);
            if (taken_.empty()) {
                taken_.swap(posted_);
            } else {
                for (auto& call : posted_) taken_.push_back(std::move(call));
                posted_.clear();
            }
        }
        // Calls posted from now on are for the next run(), or a turn might never end.
        const auto end = begun_ + (taken_.size() - next_);
        if (begun_ == end) return false;
        while (begun_ < end) {
            // Moved out, because an inner run() changes the list.
            const auto call = std::move(taken_[next_++]);
            ++begun_;
            if (!has_taken()) {
                taken_.clear();
                next_ = 0;
            }
            call();
        }
        return true;
    }

  private:
    std::mutex lock_;
    std::vector<std::function<void()>> posted_;  // under lock_
    std::vector<std::function<void()>> taken_;
    std::size_t next_ = 0;     // the first of taken_ that has not begun
    std::uint64_t begun_ = 0;  // number of calls begun so far
};

}  // namespace zonebridge
