// Completions that wait to be reaped: a ring with a place for each request in flight.
//
// Threads: one at a time.
// Ownership: owns its places, all made at the start.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "zone/export.h"
#include "zone/request.h"

ZONEBRIDGE_BEGIN_PUBLIC
namespace zonebridge {

class Completions {
  public:
    explicit Completions(std::size_t most) : places_(most) {}

    [[nodiscard]] bool empty() const noexcept { return count_ == 0; }
    [[nodiscard]] std::size_t size() const noexcept { return count_; }

    /// Requires size() to be less than `most`.
    void push(const Completion& completion) noexcept {
        auto place = first_ + count_++;
        if (place >= places_.size()) place -= places_.size();
        places_[place] = completion;
    }
    /// Moves the oldest to `out`, at most out.size(); returns how many.
    [[nodiscard]] std::size_t take(std::span<Completion> out) noexcept {
        const auto count = std::min(out.size(), count_);
        for (std::size_t i = 0; i < count; ++i) {
            out[i] = places_[first_];
            if (++first_ == places_.size()) first_ = 0;
        }
        count_ -= count;
        return count;
    }

  private:
    std::vector<Completion> places_;
    std::size_t first_ = 0;
    std::size_t count_ = 0;
};

}  // namespace zonebridge
ZONEBRIDGE_END_PUBLIC
