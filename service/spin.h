// Decides whether an idle worker polls before it sleeps. Sleeping and waking costs more than a
// request, on both sides; polling in vain takes CPU time from other threads. So a worker polls only
// while recent waits were short, and pauses polling for a while after another thread needed its
// CPU.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

#include "zone/loop.h"

namespace zonebridge::service {

class Spin {
  public:
    using Clock = std::chrono::steady_clock;

    /// Less gains nothing, more wastes CPU time that other threads may need.
    static constexpr std::chrono::microseconds usual{50};
    static constexpr std::chrono::microseconds most{1000};

    /// Polls for at most `limit` each time; zero: always sleeps.
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

    /// That turn ended at `now`. `dry`: there was no work when it began. `came`: there is work now.
    void turned(bool dry, bool came, Clock::time_point now) noexcept {
        if (off()) return;
        // A poll takes no time by itself: another thread had this CPU, so the CPU is not spare.
        if (looking_ && dry && now - began_ > taken_away) {
            credit_ = 0;
            rests_until_ = now + rest;
        }
        if (!dry) {
            dry_since_.reset();  // requests in flight: says nothing about the length of a wait
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
    // With these values polling starts when more than two waits in three are short.
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
    std::optional<Clock::time_point> dry_since_;  // no work has come since
    Clock::time_point rests_until_;
};

}  // namespace zonebridge::service
