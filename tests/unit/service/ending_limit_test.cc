#include "service/ending_limit.h"

#include <cstdlib>
#include <unistd.h>

#include <gtest/gtest.h>

namespace zonebridge::service {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

void hang() {
    for (;;) ::pause();
}

TEST(EndingLimitDeathTest, EndsAProcessThatHangsAfterBegin) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_EXIT(
        {
            const auto limit = EndingLimit::start(std::nullopt, milliseconds{10});
            (*limit)->begin();
            hang();
        },
        ::testing::ExitedWithCode(EXIT_FAILURE), "told to end 0.01 s ago");
}

TEST(EndingLimitDeathTest, EndsAProcessThatHangsAfterTheStopEvent) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_EXIT(
        {
            const auto stop = make_event_fd();
            const auto limit = EndingLimit::start(stop.get(), milliseconds{10});
            signal_event(stop);
            hang();
        },
        ::testing::ExitedWithCode(EXIT_FAILURE), "has not given back what it was asked for");
}

TEST(EndingLimit, HasNoEffectIfTheProcessEndsInTimeOrWasNotStopped) {
    const auto limit = EndingLimit::start(std::nullopt, hours{1});
    ASSERT_TRUE(limit) << limit.error().message;
    (*limit)->begin();
    const auto idle = EndingLimit::start(std::nullopt, milliseconds{0});
    ASSERT_TRUE(idle) << idle.error().message;
}

}  // namespace
}  // namespace zonebridge::service
