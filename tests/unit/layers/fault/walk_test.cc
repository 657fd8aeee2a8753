// Actions on all zones where rules have made some zones bad: the result is that of a disk with the
// same bad zones.
#include <array>
#include <random>

#include <gtest/gtest.h>

#include "tests/unit/layers/fault/faulty.h"

namespace zonebridge::test {
namespace {

constexpr std::array actions{Operation::open, Operation::close, Operation::finish,
                             Operation::reset};

TEST(ActionsOnAllZones, HasTheResultOfADiskWithTheSameBadZones) {
    std::mt19937 random(7);
    for (int round = 0; round < 200; ++round) {
        const MachineDiskShape shape{.max_open = 5, .max_active = 9};
        // The zones go bad at their second report.
        Faulty faulty({"zone=4,state=read-only,operation=report,after=1",
                       "zone=9-10,state=offline,operation=report,after=1"},
                      shape);
        Machine oracle(faulty.transport->limits());
        // The same action on both.
        const auto both = [&](Operation operation, std::uint32_t zone) {
            EXPECT_EQ(faulty.act(operation, zone).status.code, oracle.act(operation, zone));
        };
        for (std::uint32_t zone = 2; zone < 16; ++zone) {
            const auto pick = random() % 5;
            if (pick == 0) both(Operation::open, zone);
            if (pick == 1) both(Operation::finish, zone);
            if (pick <= 2 || zone == 4 || zone == 9 || zone == 10) continue;
            const auto offset = faulty.at(zone);
            const auto code = oracle.begin_write(offset, faulty.block);
            if (code == StatusCode::ok) oracle.advance(offset, faulty.block);
            EXPECT_EQ(faulty.write(offset), code);
            if (pick == 3 && code == StatusCode::ok) both(Operation::close, zone);
        }
        for (const auto zone : {4U, 9U, 10U}) both(Operation::reset, zone);
        for (const auto zone : {4U, 9U, 4U, 9U}) static_cast<void>(faulty.zone(zone));
        ASSERT_TRUE(oracle.restore(4, ZoneState::read_only, 0));
        ASSERT_TRUE(oracle.restore(9, ZoneState::offline, 0));
        ASSERT_TRUE(oracle.restore(10, ZoneState::offline, 0));
        const auto action = actions[random() % 4];
        EXPECT_EQ(faulty.driver->act_all(action).code, oracle.act_all(action));
        std::vector<Zone> expected(16);
        ASSERT_EQ(oracle.report(0, expected), 16U);
        EXPECT_EQ(faulty.driver->report(16), expected) << to_string(action);
    }
}

TEST(ActionsOnAllZones, SeveralAtOnceAllComplete) {
    Faulty faulty({"zone=4,state=offline"});
    for (std::uint32_t zone = 2; zone < 16; ++zone)
        if (zone != 4) {
            EXPECT_EQ(faulty.act(Operation::open, zone).status.code, StatusCode::ok);
        }
    std::vector<Request> requests;
    for (int i = 0; i < 10; ++i)
        requests.push_back(
            {.operation = actions[1 + i % 3], .scope = Scope::all, .data = {}, .zones = {}});
    faulty.disk->take_at_most = 1;
    faulty.disk->reverse = true;
    for (const auto& done : faulty.driver->run(requests))
        EXPECT_EQ(done.status.code, StatusCode::ok);
    EXPECT_EQ(faulty.zone(4).state, ZoneState::offline);
    for (const auto& zone : faulty.driver->report(12, faulty.at(5)))
        EXPECT_EQ(zone.state, ZoneState::empty);
}

TEST(ActionsOnAllZones, AFailureOfTheDiskEndsTheAction) {
    Faulty faulty({"zone=4,state=offline"});
    EXPECT_EQ(faulty.act(Operation::open, 7).status.code, StatusCode::ok);
    faulty.disk->fail_next = StatusCode::io_error;
    EXPECT_EQ(faulty.driver->act_all(Operation::close).code, StatusCode::io_error);
    EXPECT_EQ(faulty.zone(7).state, ZoneState::explicit_open);
    EXPECT_EQ(faulty.driver->act_all(Operation::close).code, StatusCode::ok);
    EXPECT_EQ(faulty.zone(7).state, ZoneState::empty);
}

}  // namespace
}  // namespace zonebridge::test
