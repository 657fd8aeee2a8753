#include "zbc/unit_state.h"

#include <atomic>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace zonebridge::zbc::test {
namespace {

TEST(UnitState, ANewInitiatorHasOneAttention) {
    UnitState state;
    EXPECT_TRUE(state.attentions().pending());
    EXPECT_EQ(state.attentions().take(), Attention::power_on);
    EXPECT_EQ(state.attentions().take(), std::nullopt);
    EXPECT_FALSE(state.attentions().pending());
}

TEST(UnitState, AResetRestoresTheDefaults) {
    UnitState state;
    ASSERT_TRUE(state.attentions().take());
    const ModeValues changed{true, true, false};
    state.set_mode_values(changed);
    state.set_stopped(true);
    EXPECT_EQ(state.mode_values(), changed);
    EXPECT_TRUE(state.descriptor_sense() && state.software_write_protected());
    EXPECT_FALSE(state.write_cache());
    state.reset();
    EXPECT_EQ(state.mode_values(), ModeValues());
    EXPECT_FALSE(state.stopped());
    EXPECT_TRUE(state.attentions().pending());
}

TEST(Attentions, AreTakenOnceInOrderOfPriority) {
    Attentions attentions;
    ASSERT_TRUE(attentions.take());
    attentions.raise(Attention::luns_changed);
    attentions.raise(Attention::capacity_changed);
    attentions.raise(Attention::capacity_changed);
    EXPECT_EQ(attentions.take(), Attention::capacity_changed);
    EXPECT_EQ(attentions.take(), Attention::luns_changed);
    EXPECT_EQ(attentions.take(), std::nullopt);
    // A reset replaces all that were pending.
    attentions.raise(Attention::mode_changed);
    attentions.reset();
    EXPECT_EQ(attentions.take(), Attention::power_on);
    EXPECT_EQ(attentions.take(), std::nullopt);
}

TEST(Attentions, ConcurrentThreadsTakeEachOnce) {
    for (int round = 0; round < 200; ++round) {
        Attentions attentions;
        attentions.raise(Attention::mode_changed);
        std::atomic<int> taken{0};
        std::vector<std::thread> threads;
        for (int i = 0; i < 4; ++i)
            threads.emplace_back([&] {
                while (attentions.take()) ++taken;
            });
        for (auto& thread : threads) thread.join();
        EXPECT_EQ(taken, 2);
    }
}

}  // namespace
}  // namespace zonebridge::zbc::test
