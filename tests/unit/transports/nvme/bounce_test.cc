#include "transports/nvme/bounce.h"

#include <set>
#include <string>

#include <gtest/gtest.h>

namespace zonebridge::nvme {
namespace {

TEST(NvmeBounce, GivesEveryPlaceOnceAndEachHoldsTheLargestRequest) {
    constexpr std::size_t size = 10'000;
    auto made = Bounce::create(size);
    ASSERT_TRUE(made);
    auto bounce = std::move(*made);
    std::set<std::uint8_t*> taken;
    while (auto* place = bounce.take()) {
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(place) % 4096, 0U);
        for (auto* other : taken)
            EXPECT_GE(place < other ? other - place : place - other,
                      static_cast<std::ptrdiff_t>(size));
        place[0] = place[size - 1] = 1;
        taken.insert(place);
    }
    EXPECT_EQ(taken.size(), Bounce::places);
    auto* const one = *taken.begin();
    bounce.give_back(one);
    EXPECT_EQ(bounce.take(), one);
    EXPECT_EQ(bounce.take(), nullptr);
}

TEST(NvmeBounce, CopiesPiecesInTheirOrder) {
    std::string first = "abc";
    std::string second = "defgh";
    const iovec parts[] = {{first.data(), 3}, {nullptr, 0}, {second.data(), 5}};
    std::string place(8, ' ');
    gather(parts, reinterpret_cast<std::uint8_t*>(place.data()));
    EXPECT_EQ(place, "abcdefgh");
    place = "12345678";
    scatter(reinterpret_cast<const std::uint8_t*>(place.data()), parts);
    EXPECT_EQ(first, "123");
    EXPECT_EQ(second, "45678");
}

}  // namespace
}  // namespace zonebridge::nvme
