// When a worker that ran dry looks for more before it sleeps. Sleeping and being woken costs more than a
// request, on both sides; looking in vain costs somebody else's CPU. So it looks only while the recent past
// says that work comes soon, and not for a while after somebody else wanted the CPU it looked on.
//
// Threads: a value of the worker's thread.
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
        began_ = now;
        looking_ = worth_it() && (!dry_since_ || now - *dry_since_ < limit_);
        if (!looking_ && !dry_since_) dry_since_ = now;
        return looking_ ? Loop::Wait::poll : Loop::Wait::sleep;
    }

    /// That turn ended at `now`. `dry`: nothing was there when it began. `came`: something is there now.
    void turned(bool dry, bool came, Clock::time_point now) noexcept {
        if (off()) return;
        // A look takes no time by itself: somebody else had this CPU, which is not spare then.
        if (looking_ && dry && now - began_ > taken_away) {
            credit_ = 0;
            rests_until_ = now + rest;
        }
        if (!dry) {
            dry_since_.reset();  // under way all the time: says nothing of how long a wait is
        } else if (!came) {
            if (!dry_since_) dry_since_ = began_;
        } else {
            const auto soon = now - dry_since_.value_or(began_) < limit_;
            if (!soon)
                credit_ = std::max(credit_ - vain, 0);
            else if (now >= rests_until_)
                credit_ = std::min(credit_ + 1, most_credit);
            dry_since_.reset();
        }
    }

  private:
    // Pays off from two waits in three that end in time.
    static constexpr int most_credit = 16;
    static constexpr int enough = 8;
    static constexpr int vain = 2;
    static constexpr std::chrono::microseconds taken_away{100};
    static constexpr std::chrono::seconds rest{1};

    [[nodiscard]] bool worth_it() const noexcept { return credit_ >= enough; }

    std::chrono::microseconds limit_;
    int credit_ = 0;
    bool looking_ = false;
    Clock::time_point began_;                     // the last turn
    std::optional<Clock::time_point> dry_since_;  // nothing has come since
    Clock::time_point rests_until_;
};

}  // namespace zonebridge::service
