#include "service/spin.h"

#include <gtest/gtest.h>

namespace zonebridge::service {
namespace {

using std::chrono::microseconds;

/// A worker in simulated time.
class Spinning : public ::testing::Test {
  protected:
    static constexpr microseconds limit{50};

    /// The worker has nothing to do, and after `gap` work arrives. Returns whether the worker
    /// slept.
    bool wait_of(microseconds gap) {
        for (microseconds waited{0};; waited += step) {
            const auto wait = spin_.wait(now_);
            if (wait == Loop::Wait::sleep) {
                now_ += gap - waited;
                spin_.turned(true, true, now_);
                return true;
            }
            const bool came = waited + step >= gap;
            now_ += step;
            spin_.turned(true, came, now_);
            if (came) return false;
        }
    }
    bool sleeps_after(int count, microseconds gap) {
        bool slept = true;
        for (int i = 0; i < count; ++i) slept = wait_of(gap);
        return slept;
    }

    static constexpr microseconds step{1};
    Spin spin_{limit};
    Spin::Clock::time_point now_{std::chrono::hours(1)};
};

TEST_F(Spinning, AWorkerSleepsAtFirst) {
    EXPECT_TRUE(wait_of(microseconds{10}));
}

TEST_F(Spinning, AfterShortWaitsTheWorkerSpins) {
    EXPECT_FALSE(sleeps_after(20, microseconds{10}));
}

TEST_F(Spinning, AfterLongWaitsTheWorkerSleepsAgain) {
    EXPECT_FALSE(sleeps_after(20, microseconds{10}));
    EXPECT_TRUE(wait_of(microseconds{5000})) << "spinning ends at the limit";
    EXPECT_TRUE(sleeps_after(20, microseconds{5000}));
    const auto before = now_;
    EXPECT_EQ(spin_.wait(before), Loop::Wait::sleep) << "the worker no longer spins";
}

TEST_F(Spinning, MostlyLongWaitsKeepTheWorkerAsleep) {
    bool slept = false;
    for (int i = 0; i < 100; ++i) {
        wait_of(microseconds{10});
        wait_of(microseconds{5000});
        slept = sleeps_after(1, microseconds{5000});
    }
    EXPECT_TRUE(slept);
    EXPECT_EQ(spin_.wait(now_), Loop::Wait::sleep);
}

TEST_F(Spinning, BusyTurnsDoNotCountAsWaits) {
    for (int i = 0; i < 1000; ++i) {
        (void)spin_.wait(now_);
        spin_.turned(false, true, now_ += microseconds{1});
    }
    EXPECT_EQ(spin_.wait(now_), Loop::Wait::sleep);
}

TEST_F(Spinning, LosingTheCpuStopsSpinningForAWhile) {
    EXPECT_FALSE(sleeps_after(20, microseconds{10}));
    EXPECT_EQ(spin_.wait(now_), Loop::Wait::poll);
    // A turn as long as a time slice: another thread had the CPU.
    spin_.turned(true, true, now_ += microseconds{3000});
    EXPECT_TRUE(sleeps_after(1000, microseconds{10}));
    now_ += std::chrono::seconds{1};
    EXPECT_FALSE(sleeps_after(20, microseconds{10}));
}

TEST_F(Spinning, WithALimitOfZeroTheWorkerAlwaysSleeps) {
    spin_ = Spin(microseconds{0});
    EXPECT_TRUE(spin_.off());
    for (int i = 0; i < 100; ++i) EXPECT_TRUE(wait_of(microseconds{1}));
}

}  // namespace
}  // namespace zonebridge::service
