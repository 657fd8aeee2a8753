// When a worker that ran dry looks for more before it sleeps. Sleeping and being woken costs more than a
// request, on both sides; looking in vain costs somebody else's CPU. So it looks only while the recent past
// says that work comes soon.
//
// Threads: a value of the worker's thread.
// Ownership: none.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

#include "zone/loop.h"

namespace zonebridge::service {

class Spin {
  public:
    using Clock = std::chrono::steady_clock;

    /// Less than this gains nothing, more wastes a CPU that somebody may want.
    static constexpr std::chrono::microseconds usual{50};
    static constexpr std::chrono::microseconds most{1000};

    /// Looks for `limit` at most each time; zero: sleeps at once, always.
    explicit Spin(std::chrono::microseconds limit) noexcept : limit_(limit) {}

    [[nodiscard]] bool off() const noexcept { return limit_.count() == 0; }

    /// How the turn that begins at `now` waits.
    [[nodiscard]] Loop::Wait wait(Clock::time_point now) noexcept {
        if (off()) return Loop::Wait::sleep;
        if (!dry_since_) {
            if (worth_it()) return Loop::Wait::poll;
            dry_since_ = now;
        }
        return worth_it() && now - *dry_since_ < limit_ ? Loop::Wait::poll : Loop::Wait::sleep;
    }

    /// That turn ended at `now`. `dry`: nothing was there when it began. `came`: something is there now.
    void turned(bool dry, bool came, Clock::time_point now) noexcept {
        if (!dry) {
            dry_since_.reset();  // under way all the time: says nothing of how long a wait is
        } else if (!came) {
            if (!dry_since_) dry_since_ = now;
        } else {
            const auto soon = !dry_since_ || now - *dry_since_ < limit_;
            credit_ = soon ? std::min(credit_ + 1, most_credit) : std::max(credit_ - vain, 0);
            dry_since_.reset();
        }
    }

  private:
    // Pays off from two waits in three that end in time.
    static constexpr int most_credit = 16;
    static constexpr int enough = 8;
    static constexpr int vain = 2;

    [[nodiscard]] bool worth_it() const noexcept { return credit_ >= enough; }

    std::chrono::microseconds limit_;
    int credit_ = 0;
    std::optional<Clock::time_point> dry_since_;
};

}  // namespace zonebridge::service
