#include "transports/bounce.h"

#include <set>

#include <gtest/gtest.h>

namespace zonebridge {
namespace {

TEST(Bounce, LendsEachBufferOnceAndEachHoldsTheLargestRequest) {
    constexpr std::size_t size = 10'000;
    constexpr std::size_t places = 8;
    auto made = BouncePool::make(places, size);
    ASSERT_TRUE(made);
    auto bounce = std::move(*made);
    std::set<std::uint8_t*> taken;
    while (const auto lent = bounce.take(size)) {
        auto* const place = lent->data();
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(place) % 4096, 0U);
        for (auto* other : taken)
            EXPECT_GE(place < other ? other - place : place - other,
                      static_cast<std::ptrdiff_t>(size));
        place[0] = place[size - 1] = 1;
        taken.insert(place);
    }
    EXPECT_EQ(taken.size(), places);
    auto* const one = *taken.begin();
    bounce.give_back({one, size});
    EXPECT_EQ(bounce.take(size).value().data(), one);
    EXPECT_FALSE(bounce.take(size));
}

}  // namespace
}  // namespace zonebridge
