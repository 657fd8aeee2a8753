// Zone actions through the sequencer. Their results are those of the state machine, whatever errors
// the device returns. An action on many zones keeps its place in the order of each zone.
#include <gtest/gtest.h>

#include "tests/unit/layers/sequencer/memory.h"

namespace zonebridge::test {
namespace {

constexpr auto actions = {Operation::open, Operation::close, Operation::finish, Operation::reset};
constexpr auto states = {ZoneState::empty,  ZoneState::implicit_open, ZoneState::explicit_open,
                         ZoneState::closed, ZoneState::full,          ZoneState::read_only,
                         ZoneState::offline};

bool put(Machine& machine, std::uint32_t zone, ZoneState state) {
    return machine.restore(zone, state, state == ZoneState::empty ? 0 : block);
}

TEST(Actions, AnActionOnOneZoneEndsAsInTheStateMachine) {
    for (const auto state : states)
        for (const auto operation : actions) {
            SCOPED_TRACE(testing::Message() << to_string(operation) << " " << to_string(state));
            Memory memory;
            memory.bare->hides_errors = true;
            Machine model(memory.disk->limits());
            ASSERT_TRUE(put(model, 4, state));
            ASSERT_TRUE(put(memory.disk->machine(), 4, state));
            User user(*memory.transport, memory.loop);
            const auto expected = model.act(operation, 4);
            const auto completion = user.run(user.act(operation, 4));
            EXPECT_EQ(completion.status.code, expected);
            EXPECT_EQ(completion.result, expected == StatusCode::ok ? 1U : 0U);
            EXPECT_EQ(user.describe(4), model.describe(4));
        }
}

TEST(Actions, AnActionOnManyZonesStopsWhereTheStateMachineStops) {
    for (const auto state : states)
        for (const auto operation : actions) {
            SCOPED_TRACE(testing::Message() << to_string(operation) << " " << to_string(state));
            Memory memory;
            memory.bare->hides_errors = true;
            Machine model(memory.disk->limits());
            for (std::uint32_t zone = 3; zone < 9; ++zone) {
                const auto as = zone == 6 ? state : ZoneState::implicit_open;
                ASSERT_TRUE(put(model, zone, as));
                ASSERT_TRUE(put(memory.disk->machine(), zone, as));
            }
            User user(*memory.transport, memory.loop);
            auto code = StatusCode::ok;
            std::uint64_t done = 0;
            for (std::uint32_t zone = 3; zone < 9; ++zone, ++done)
                if ((code = model.act(operation, zone)) != StatusCode::ok) break;
            const auto completion = user.run(user.act(operation, 3, 8));
            EXPECT_EQ(completion.status.code, code);
            EXPECT_EQ(completion.result, done);
            for (std::uint32_t zone = 3; zone < 9; ++zone)
                EXPECT_EQ(user.describe(zone), model.describe(zone));
        }
}

TEST(Actions, TheDevicesErrorIsKeptIfTheZoneDoesNotExplainIt) {
    Memory memory({.max_open = 1});
    User user(*memory.transport, memory.loop);
    EXPECT_TRUE(user.run(user.act(Operation::open, 3)).status.ok());
    EXPECT_EQ(user.code(user.act(Operation::open, 4)), StatusCode::too_many_open);
    EXPECT_EQ(user.code(user.append(4, block, 1)), StatusCode::too_many_open);
    const auto many = user.run(user.act(Operation::open, 3, 5));
    EXPECT_EQ(many.status.code, StatusCode::too_many_open);
    EXPECT_EQ(many.result, 1U);
    EXPECT_TRUE(user.run(user.act(Operation::close, 3)).status.ok());
    EXPECT_TRUE(user.run(user.append(4, block, 1)).status.ok());
}

TEST(Actions, ARangeLargerThanOneReportIsDoneInSteps) {
    Memory memory({.zones = 200, .zone_size = 8192, .conventional = 0});
    ASSERT_TRUE(memory.disk->machine().restore(150, ZoneState::full, 8192));
    User user(*memory.transport, memory.loop);
    const auto opened = user.run(user.act(Operation::open, 1, 199));
    EXPECT_EQ(opened.status.code, StatusCode::invalid_transition);
    EXPECT_EQ(opened.result, 149U);
    EXPECT_EQ(memory.disk->machine().open_count(), 149U);
    const auto reset = user.run(user.act(Operation::reset, 0, 199));
    EXPECT_TRUE(reset.status.ok());
    EXPECT_EQ(reset.result, 200U);
}

TEST(Actions, AnActionOnAllZonesWaitsForEarlierRequestsAndHoldsBackLaterOnes) {
    Memory memory;
    User user(*memory.transport, memory.loop);
    memory.bare->held = BareDevice::Held::writes;
    std::vector<std::uint64_t> before;
    std::vector<std::uint64_t> after;
    for (std::uint32_t zone = 2; zone < 16; ++zone)
        before.push_back(user.submit(user.append(zone, block, 1)));
    const auto reset = user.submit(user.act_all(Operation::reset));
    for (std::uint32_t zone = 2; zone < 16; ++zone)
        after.push_back(user.submit(user.append(zone, block, 2)));
    user.turns(10);
    EXPECT_EQ(memory.bare->writes, 14U);
    EXPECT_EQ(memory.bare->actions, 0U);
    memory.bare->held = BareDevice::Held::none;
    for (std::uint32_t zone = 2; zone < 16; ++zone) {
        EXPECT_EQ(user.wait(before[zone - 2]).result, zone * zone_size);
        EXPECT_EQ(user.wait(after[zone - 2]).result, zone * zone_size);
        EXPECT_EQ(user.stamp_at(zone * zone_size, block), 2U);
    }
    EXPECT_TRUE(user.wait(reset).status.ok());
    EXPECT_EQ(memory.bare->collisions, 0U);
}

TEST(Actions, ZonesOutsideOfARangeContinue) {
    Memory memory;
    User user(*memory.transport, memory.loop);
    auto release = false;
    memory.bare->holds_back = [&](const Request& request) {
        return !release &&
               (is_zone_action(request.operation) || (request.operation == Operation::write &&
                                                      user.layout().zone_of(request.offset) == 4));
    };
    const auto inside = user.submit(user.append(4, block, 1));
    user.turns(3);
    const auto reset = user.submit(user.act(Operation::reset, 3, 5));
    const auto outside = user.submit(user.append(7, block, 2));
    memory.bare->fault = [&](const Request& request) -> std::optional<BareDevice::Fault> {
        if (is_zone_action(request.operation)) {
            EXPECT_TRUE(user.is_done(inside));
        }
        return {};
    };
    EXPECT_TRUE(user.wait(outside).status.ok());
    EXPECT_EQ(user.stamp_at(7 * zone_size, block), 2U);
    EXPECT_FALSE(user.is_done(inside));
    EXPECT_FALSE(user.is_done(reset));
    EXPECT_EQ(memory.bare->actions, 0U) << "the reset waits for the append in its range";
    release = true;
    EXPECT_TRUE(user.wait(reset).status.ok());
    EXPECT_TRUE(user.wait(inside).status.ok());
    EXPECT_EQ(user.describe(4).state, ZoneState::empty);
    EXPECT_EQ(user.describe(7).write_pointer, 7 * zone_size + block);
}

TEST(Actions, SweepsOfSeveralQueuesRunOneByOne) {
    Memory memory;
    memory.bare->most_turns = 4;
    std::deque<User> users;
    for (int i = 0; i < 4; ++i) users.emplace_back(*memory.transport, memory.loop);
    std::vector<std::uint64_t> tags;
    for (int round = 0; round < 8; ++round)
        for (auto& user : users) {
            tags.push_back(user.submit(round % 2 == 0 ? user.act_all(Operation::reset)
                                                      : user.act(Operation::finish, 3, 6)));
            tags.push_back(user.submit(user.append(5, block, 7)));
        }
    for (int i = 0; i < 400; ++i)
        for (auto& user : users) user.turn();
    std::size_t at = 0;
    auto finished = false;
    for (int round = 0; round < 8; ++round)
        for (auto& user : users) {
            finished = round % 2 != 0;
            EXPECT_TRUE(user.wait(tags[at++]).status.ok());
            EXPECT_EQ(user.wait(tags[at++]).status.code,
                      finished ? StatusCode::zone_full : StatusCode::ok);
        }
    EXPECT_EQ(memory.bare->collisions, 0U);
}

}  // namespace
}  // namespace zonebridge::test
