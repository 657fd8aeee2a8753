#include "base/rate_limit.h"

#include <gtest/gtest.h>

namespace zonebridge {
namespace {

using namespace std::chrono_literals;

constexpr RateLimit::Clock::time_point begin{100h};

TEST(RateLimit, PassesAFewInEachSpanAndCountsTheRest) {
    RateLimit limit(3, 1min);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(limit.pass(begin + i * 1s), 0u);
    EXPECT_EQ(limit.pass(begin + 10s), std::nullopt);
    EXPECT_EQ(limit.pass(begin + 59s), std::nullopt);
    EXPECT_EQ(limit.pass(begin + 60s), 2u) << "two were left out";
    EXPECT_EQ(limit.pass(begin + 61s), 0u);
    EXPECT_EQ(limit.pass(begin + 62s), 0u);
    EXPECT_EQ(limit.pass(begin + 119s), std::nullopt);
    EXPECT_EQ(limit.pass(begin + 3h), 1u);
}

}  // namespace
}  // namespace zonebridge
