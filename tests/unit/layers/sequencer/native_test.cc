// A device with native append. Appends skip the order of their zone, unless a write or an action is
// there.
#include <set>

#include <gtest/gtest.h>

#include "tests/unit/layers/sequencer/memory.h"

namespace zonebridge::test {
namespace {

class NativeAppends : public ::testing::Test {
  protected:
    Memory memory_{{}, Support::native};
    User user_{*memory_.transport, memory_.loop};
};

TEST_F(NativeAppends, AreInFlightTogether) {
    memory_.bare->held = BareDevice::Held::writes;
    std::vector<std::uint64_t> tags;
    for (std::uint64_t i = 0; i < 8; ++i) tags.push_back(user_.submit(user_.append(3, block, i)));
    user_.turns(2);
    EXPECT_EQ(memory_.bare->most_appends, 8U);
    EXPECT_EQ(memory_.bare->reports, 0U);
    memory_.bare->held = BareDevice::Held::none;
    std::set<std::uint64_t> places;
    for (const auto tag : tags) places.insert(user_.wait(tag).result);
    EXPECT_EQ(places.size(), 8U);
    EXPECT_EQ(*places.rbegin(), start + 7 * block);
}

TEST_F(NativeAppends, DelayALaterWriteAndWaitForAnEarlierOne) {
    EXPECT_TRUE(user_.run(user_.write(start, block, 1)).status.ok());
    memory_.bare->held = BareDevice::Held::writes;
    const auto a = user_.submit(user_.append(3, block, 2));
    const auto b = user_.submit(user_.append(3, block, 3));
    const auto write = user_.submit(user_.write(start + 3 * block, block, 4));
    const auto c = user_.submit(user_.append(3, block, 5));
    const auto d = user_.submit(user_.append(3, block, 6));
    user_.turns(5);
    EXPECT_EQ(memory_.bare->appends, 2U);
    EXPECT_EQ(memory_.bare->writes, 1U);
    memory_.bare->held = BareDevice::Held::none;
    EXPECT_TRUE(user_.wait(a).status.ok());
    EXPECT_TRUE(user_.wait(b).status.ok());
    EXPECT_TRUE(user_.wait(write).status.ok());
    EXPECT_GE(user_.wait(c).result, start + 4 * block);
    EXPECT_GE(user_.wait(d).result, start + 4 * block);
    EXPECT_EQ(user_.stamp_at(start + 3 * block, block), 4U);
    EXPECT_EQ(memory_.bare->collisions, 0U);
}

TEST_F(NativeAppends, DelayALaterAction) {
    for (const auto many : {false, true}) {
        memory_.bare->held = BareDevice::Held::writes;
        const auto append = user_.submit(user_.append(3, block, 1));
        const auto reset =
            user_.submit(many ? user_.act_all(Operation::reset) : user_.act(Operation::reset, 3));
        const auto after = user_.submit(user_.append(3, block, 2));
        user_.turns(5);
        EXPECT_FALSE(user_.is_done(reset));
        memory_.bare->held = BareDevice::Held::none;
        EXPECT_TRUE(user_.wait(append).status.ok());
        EXPECT_TRUE(user_.wait(reset).status.ok());
        EXPECT_EQ(user_.wait(after).result, start);
        EXPECT_TRUE(user_.run(user_.act(Operation::reset, 3)).status.ok());
    }
    EXPECT_EQ(memory_.bare->collisions, 0U);
}

TEST_F(NativeAppends, AreCountedAcrossQueues) {
    User other(*memory_.transport, memory_.loop);
    memory_.bare->held = BareDevice::Held::writes;
    const auto append = other.submit(other.append(3, block, 1));
    other.turn();
    const auto write = user_.submit(user_.write(start + block, block, 2));
    user_.turns(4);
    EXPECT_EQ(memory_.bare->writes, 0U);
    memory_.bare->held = BareDevice::Held::none;
    EXPECT_EQ(other.wait(append).result, start);
    while (!user_.is_done(write)) {
        other.turn();
        user_.turn();
    }
    EXPECT_TRUE(user_.wait(write).status.ok());
    EXPECT_EQ(memory_.bare->collisions, 0U);
}

TEST_F(NativeAppends, KeepTheErrorOfTheDevice) {
    EXPECT_TRUE(user_.run(user_.act(Operation::finish, 3)).status.ok());
    EXPECT_EQ(user_.code(user_.append(3, block, 1)), StatusCode::zone_full);
}

}  // namespace
}  // namespace zonebridge::test
