#include "zbc/initiators.h"

#include <atomic>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace zonebridge::zbc::test {
namespace {

TEST(Initiators, ANewOneHasOneAttention) {
    Initiators initiators;
    for (const std::uint32_t id : {0u, 7u, ~0u}) {
        EXPECT_TRUE(initiators.attention_pending(id));
        EXPECT_TRUE(initiators.take_attention(id));
        EXPECT_FALSE(initiators.take_attention(id));
        EXPECT_FALSE(initiators.attention_pending(id));
        initiators.set_descriptor_sense(id, true);
        EXPECT_TRUE(initiators.descriptor_sense(id));
    }
    initiators.reset(7);
    EXPECT_TRUE(initiators.attention_pending(7));
    EXPECT_FALSE(initiators.descriptor_sense(7));
    EXPECT_FALSE(initiators.attention_pending(0));
    EXPECT_TRUE(initiators.descriptor_sense(0));
}

TEST(Initiators, AreToldEachThingOnceAndTheFirstFirst) {
    Initiators initiators;
    for (const std::uint32_t id : {1u, 2u}) ASSERT_TRUE(initiators.take_attention(id));
    initiators.raise(Attention::luns_changed);
    initiators.raise(Attention::capacity_changed);
    initiators.raise(Attention::capacity_changed);
    EXPECT_EQ(initiators.take_attention(1), Attention::capacity_changed);
    EXPECT_EQ(initiators.take_attention(1), Attention::luns_changed);
    EXPECT_EQ(initiators.take_attention(1), std::nullopt);
    EXPECT_EQ(initiators.take_attention(2), Attention::capacity_changed);
    // A reset stands for all that waited.
    initiators.reset(2);
    EXPECT_EQ(initiators.take_attention(2), Attention::power_on);
    EXPECT_EQ(initiators.take_attention(2), std::nullopt);
}

TEST(Initiators, DoNotHearOfWhatTheyDidThemselves) {
    Initiators initiators;
    for (const std::uint32_t id : {1u, 2u}) ASSERT_TRUE(initiators.take_attention(id));
    initiators.raise(Attention::mode_changed, 1u);
    EXPECT_EQ(initiators.take_attention(1), std::nullopt);
    EXPECT_EQ(initiators.take_attention(2), Attention::mode_changed);
}

TEST(Initiators, MoreThanFitAreServedAllTheSame) {
    Initiators initiators;
    for (std::uint32_t id = 0; id < 10 * Initiators::max_known; ++id)
        EXPECT_TRUE(initiators.take_attention(id));
    EXPECT_FALSE(initiators.take_attention(10 * Initiators::max_known - 1));
}

TEST(Initiators, ThreadsTakeAnAttentionOnce) {
    for (int round = 0; round < 50; ++round) {
        Initiators initiators;
        std::atomic<int> taken{0};
        std::vector<std::thread> threads;
        for (int i = 0; i < 4; ++i)
            threads.emplace_back([&] {
                for (std::uint32_t id = 0; id < Initiators::max_known; ++id)
                    if (initiators.take_attention(id)) ++taken;
            });
        for (auto& thread : threads) thread.join();
        EXPECT_EQ(taken, static_cast<int>(Initiators::max_known));
    }
}

}  // namespace
}  // namespace zonebridge::zbc::test
