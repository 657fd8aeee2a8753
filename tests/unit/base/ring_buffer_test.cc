#include "base/ring_buffer.h"

#include <array>
#include <cstdint>

#include <gtest/gtest.h>

namespace zonebridge::test {
namespace {

TEST(RingBuffer, KeepsTheOrderWhenItWrapsAround) {
    RingBuffer<std::uint32_t> ring(3);
    for (std::uint32_t i = 0; i < 10; ++i) {
        ring.push(i);
        ring.push(i + 100);
        EXPECT_EQ(ring.size(), 2u);
        EXPECT_EQ(ring.pop(), i);
        EXPECT_EQ(ring.pop(), i + 100);
        EXPECT_TRUE(ring.empty());
    }
}

TEST(RingBuffer, TakesNoMoreThanTheOutputHolds) {
    RingBuffer<std::uint32_t> ring(4);
    std::array<std::uint32_t, 3> out{};
    std::uint32_t next = 0;
    std::uint32_t expected = 0;
    for (int round = 0; round < 10; ++round) {
        while (ring.size() < ring.capacity()) ring.push(next++);
        EXPECT_EQ(ring.front(), expected);
        ASSERT_EQ(ring.take(out), 3u);
        for (const auto value : out) EXPECT_EQ(value, expected++);
        EXPECT_EQ(ring.size(), 1u);
    }
    EXPECT_EQ(ring.take(out), 1u);
    EXPECT_EQ(ring.take(out), 0u);
}

}  // namespace
}  // namespace zonebridge::test
