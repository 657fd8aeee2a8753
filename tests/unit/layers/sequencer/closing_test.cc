// Closing a queue while other queues work. Requests that the queue has not issued are withdrawn, no
// other queue loses a request, and no zone stays blocked.
#include <list>
#include <random>

#include <gtest/gtest.h>

#include "tests/unit/layers/sequencer/memory.h"

namespace zonebridge::test {
namespace {

class Closing : public ::testing::Test {
  protected:
    Memory memory_;
    User other_{*memory_.transport, memory_.loop};
    std::optional<User> closing_{std::in_place, *memory_.transport, memory_.loop};
};

TEST_F(Closing, WithdrawsRequestsThatWereNotIssued) {
    closing_->submit(closing_->append(3, block, 1));
    closing_->submit(closing_->append(3, block, 2));
    closing_->submit(closing_->act(Operation::finish, 4));
    closing_->submit(closing_->act_all(Operation::finish));
    closing_.reset();
    EXPECT_EQ(memory_.bare->writes, 0U);
    EXPECT_EQ(memory_.bare->actions, 0U);
    EXPECT_EQ(other_.run(other_.append(3, block, 3)).result, start);
    EXPECT_EQ(other_.run(other_.append(4, block, 3)).result, start + zone_size);
}

TEST_F(Closing, PassesAZoneOnToAQueueThatWaitsForIt) {
    closing_->submit(closing_->append(3, block, 1));
    const auto waiting = other_.submit(other_.append(3, block, 2));
    closing_.reset();
    EXPECT_EQ(other_.wait(waiting).result, start);
    EXPECT_EQ(other_.stamp_at(start, block), 2U);
}

TEST_F(Closing, CompletesRequestsThatItIssuedForOtherQueues) {
    memory_.bare->most_turns = 4;
    User slow(*memory_.transport, memory_.loop);
    const auto own = slow.submit(slow.append(3, block, 1));
    const auto theirs = other_.submit(other_.append(3, block, 2));
    while (memory_.bare->writes == 0) slow.turn();
    const auto behind = other_.submit(other_.append(3, block, 3));
    slow.close();
    EXPECT_EQ(other_.wait(theirs).result, start + block);
    EXPECT_EQ(other_.wait(behind).result, start + 2 * block);
    static_cast<void>(own);
    EXPECT_EQ(memory_.bare->writes, 2U);
}

TEST_F(Closing, WaitsForItsBuffersInAWriteOfAnotherQueue) {
    memory_.bare->most_turns = 6;
    User slow(*memory_.transport, memory_.loop);
    const auto first = slow.submit(slow.append(3, block, 1));
    closing_->submit(closing_->append(3, block, 2));
    while (memory_.bare->writes == 0) slow.turn();
    closing_.reset();  // this frees the buffers
    EXPECT_EQ(slow.wait(first).result, start);
    EXPECT_EQ(slow.stamp_at(start + block, block), 2U);
}

TEST_F(Closing, ReleasesRequestsThatItsSweepHeldBack) {
    memory_.bare->held = BareDevice::Held::writes;
    const auto first = other_.submit(other_.append(4, block, 1));
    other_.turns(3);
    closing_->submit(closing_->act_all(Operation::reset));
    const auto here = other_.submit(other_.append(4, block, 2));
    const auto elsewhere = other_.submit(other_.append(5, block, 3));
    other_.turns(5);
    EXPECT_EQ(memory_.bare->writes, 1U);
    closing_.reset();
    memory_.bare->held = BareDevice::Held::none;
    EXPECT_TRUE(other_.wait(first).status.ok());
    EXPECT_EQ(other_.wait(here).result, 4 * zone_size + block);
    EXPECT_EQ(other_.wait(elsewhere).result, 5 * zone_size);
    EXPECT_EQ(memory_.bare->actions, 0U);
}

void close_at_random(std::uint64_t seed, Support append) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Memory memory({.zones = 8}, append);
    memory.bare->most_turns = 4;
    memory.bare->seed = seed;
    std::mt19937_64 random(seed);
    std::list<User> users;
    User steady(*memory.transport, memory.loop, 64);
    std::vector<std::uint64_t> tags;
    for (int step = 0; step < 600; ++step) {
        const auto zone = static_cast<std::uint32_t>(2 + random() % 6);
        auto pick = users.begin();
        if (!users.empty())
            std::advance(pick, static_cast<std::ptrdiff_t>(random() % users.size()));
        switch (random() % 16) {
            case 0:
                if (users.size() < 4) users.emplace_back(*memory.transport, memory.loop, 8);
                break;
            case 1:
                if (!users.empty()) users.erase(pick);
                break;
            case 2:
                if (!users.empty()) pick->submit(pick->act_all(Operation::reset));
                break;
            case 3:
                if (!users.empty()) pick->submit(pick->act(Operation::finish, 3, 5));
                break;
            case 4:
                tags.push_back(steady.submit(steady.act(Operation::reset, zone)));
                break;
            case 5:
            case 6:
            case 7:
                tags.push_back(steady.submit(steady.append(zone, block, 5)));
                break;
            case 8:
                if (!users.empty()) pick->submit(pick->write(zone * zone_size, block, 5));
                break;
            case 9:
            case 10:
            case 11:
            case 12:
                if (!users.empty()) pick->submit(pick->append(zone, block, 6));
                break;
            default:
                if (users.empty())
                    steady.turn();
                else
                    pick->turn();
        }
    }
    users.clear();
    for (const auto tag : tags) steady.wait(tag);
    EXPECT_TRUE(steady.run(steady.act_all(Operation::reset)).status.ok());
    for (std::uint32_t zone = 2; zone < 8; ++zone)
        EXPECT_EQ(steady.run(steady.append(zone, block, 7)).result, zone * zone_size);
    EXPECT_EQ(memory.bare->collisions, 0U);
}

TEST(ClosingAtRandom, LeavesNoZoneBlocked) {
    for (std::uint64_t seed = 1; seed <= 60; ++seed) close_at_random(seed, Support::absent);
}
TEST(ClosingAtRandom, LeavesNoZoneBlockedOnADeviceWithNativeAppend) {
    for (std::uint64_t seed = 1; seed <= 60; ++seed) close_at_random(seed, Support::native);
}

}  // namespace
}  // namespace zonebridge::test
