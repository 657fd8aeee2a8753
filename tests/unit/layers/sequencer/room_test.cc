// The sequencer makes room for one more open zone on a device that closes none itself. Also the
// status of failed reads and native appends.
#include <array>
#include <cerrno>
#include <deque>
#include <random>

#include <gtest/gtest.h>

#include "tests/unit/layers/sequencer/memory.h"

namespace zonebridge::test {
namespace {

constexpr std::uint32_t most_open = 3;
const auto refusal = NativeCause::os_error(ETOOMANYREFS);

/// Refuses a request that would open a fourth zone, as null_blk does at its active limit. The state
/// machine below would close another zone instead.
std::optional<BareDevice::Fault> refuse(Memory& memory, const Request& request) {
    auto& machine = memory.disk->machine();
    const auto opens = request.operation == Operation::write ||
                       request.operation == Operation::open ||
                       request.operation == Operation::finish;
    if (!opens || request.scope == Scope::all || machine.open_count() < most_open) return {};
    if (is_open(machine.state(memory.disk->limits().layout.zone_of(request.offset)))) return {};
    return BareDevice::Fault{{StatusCode::too_many_open, refusal}, 0};
}

/// Zones 2 to 15 are sequential.
class Room : public ::testing::Test {
  protected:
    explicit Room(Support append = Support::absent) : memory_({.max_open = most_open}, append) {
        memory_.bare->fault = [this](const Request& request) {
            if (request.operation == Operation::close) ++closes_;
            return refuse(memory_, request);
        };
    }

    StatusCode append(User& user, std::uint32_t zone) {
        return user.code(user.append(zone, block, zone));
    }

    Memory memory_;
    int closes_ = 0;
    User user_{*memory_.transport, memory_.loop};
};

TEST_F(Room, IsMadeByClosingTheZoneThatWasOpenedLongestAgo) {
    for (std::uint32_t zone = 2; zone < 5; ++zone) EXPECT_EQ(append(user_, zone), StatusCode::ok);
    EXPECT_EQ(closes_, 0);
    EXPECT_EQ(append(user_, 5), StatusCode::ok);
    EXPECT_EQ(closes_, 1);
    EXPECT_EQ(user_.describe(2).state, ZoneState::closed);
    EXPECT_EQ(user_.describe(3).state, ZoneState::implicit_open);
    EXPECT_EQ(user_.stamp_at(5 * zone_size, block), 5U);
}

TEST_F(Room, IsMadeRepeatedly) {
    for (int round = 0; round < 10; ++round)
        for (std::uint32_t zone = 2; zone < 9; ++zone)
            ASSERT_EQ(append(user_, zone), StatusCode::ok) << round << " " << zone;
    for (std::uint32_t zone = 2; zone < 9; ++zone)
        EXPECT_EQ(*user_.describe(zone).write_pointer, zone * zone_size + 10 * block);
}

TEST_F(Room, IsMadeForActionsToo) {
    for (std::uint32_t zone = 2; zone < 6; ++zone) EXPECT_EQ(append(user_, zone), StatusCode::ok);
    ASSERT_EQ(user_.describe(2).state, ZoneState::closed);
    EXPECT_EQ(user_.code(user_.act(Operation::open, 2)), StatusCode::ok);
    EXPECT_EQ(user_.describe(2).state, ZoneState::explicit_open);
    EXPECT_EQ(user_.code(user_.act(Operation::finish, 9)), StatusCode::ok);
    EXPECT_EQ(user_.describe(9).state, ZoneState::full);
}

TEST_F(Room, IsNotMadeByClosingExplicitlyOpenZones) {
    for (std::uint32_t zone = 2; zone < 5; ++zone) {
        EXPECT_EQ(user_.code(user_.act(Operation::open, zone)), StatusCode::ok);
        EXPECT_EQ(append(user_, zone), StatusCode::ok);
    }
    const auto refused = user_.run(user_.append(5, block, 5)).status;
    EXPECT_EQ(refused, (Status{StatusCode::too_many_open, refusal}));
    EXPECT_EQ(closes_, 0);
    // An explicit CLOSE makes room.
    EXPECT_EQ(user_.code(user_.act(Operation::close, 3)), StatusCode::ok);
    EXPECT_EQ(append(user_, 5), StatusCode::ok);
}

TEST_F(Room, IsMadeBetweenTheWritesOfBusyZones) {
    std::vector<std::uint64_t> tags;
    const auto append_some = [&](std::uint32_t zone) {
        // FUA writes do not join plain ones, so the zone gets several writes, one after the other.
        for (int i = 0; i < 3; ++i) {
            tags.push_back(user_.submit(user_.append(zone, block, zone)));
            tags.push_back(user_.submit_fua(user_.append(zone, block, zone)));
        }
    };
    memory_.bare->most_turns = 3;
    for (std::uint32_t zone = 2; zone < 12; ++zone) append_some(zone);
    for (const auto tag : tags) EXPECT_TRUE(user_.wait(tag).status.ok());
    EXPECT_GT(closes_, 0);
    EXPECT_EQ(memory_.bare->collisions, 0U);
    for (std::uint32_t zone = 2; zone < 12; ++zone)
        EXPECT_EQ(*user_.describe(zone).write_pointer, zone * zone_size + 6 * block);
}

TEST_F(Room, IsMadeIfTheQueueThatHoldsTheZoneCloses) {
    User other(*memory_.transport, memory_.loop);
    for (std::uint32_t zone = 2; zone < 5; ++zone) EXPECT_EQ(append(other, zone), StatusCode::ok);
    memory_.bare->held = BareDevice::Held::writes;
    for (std::uint32_t zone = 2; zone < 5; ++zone) other.submit(other.append(zone, block, zone));
    other.turns(3);
    memory_.bare->held = BareDevice::Held::none;
    const auto wanted = user_.submit(user_.append(5, block, 5));
    user_.turn();
    other.close();
    EXPECT_TRUE(user_.wait(wanted).status.ok());
}

TEST_F(Room, AQueueThatWaitsForRoomCanClose) {
    for (std::uint32_t zone = 2; zone < 5; ++zone) EXPECT_EQ(append(user_, zone), StatusCode::ok);
    {
        User other(*memory_.transport, memory_.loop);
        for (std::uint32_t zone = 5; zone < 12; ++zone)
            other.submit(other.append(zone, block, zone));
        other.turn();
        other.turn();
    }
    memory_.bare->most_turns = 2;
    for (std::uint32_t zone = 2; zone < 14; ++zone) EXPECT_EQ(append(user_, zone), StatusCode::ok);
    EXPECT_EQ(user_.run(User::act_all(Operation::reset)).status.code, StatusCode::ok);
}

// The refused write belongs to a queue that is being closed. Another queue issued the write and
// puts the write back.
TEST_F(Room, IsMadeForARequestWhoseQueueIsBeingClosed) {
    for (std::uint32_t zone = 2; zone < 5; ++zone) EXPECT_EQ(append(user_, zone), StatusCode::ok);
    memory_.bare->most_turns = 4;
    const auto reset = user_.submit(user_.act(Operation::reset, 5));
    user_.turn();
    User other(*memory_.transport, memory_.loop);
    other.submit(other.append(5, block, 5));
    const auto before = memory_.bare->writes.load();
    for (int turns = 0; memory_.bare->writes == before; ++turns) {
        ASSERT_LT(turns, 1000);
        user_.turn();
    }
    other.close();
    EXPECT_TRUE(user_.wait(reset).status.ok());
    EXPECT_EQ(append(user_, 5), StatusCode::ok);
}

/// A loop whose turns fail once `fails` is set.
class FailingLoop final : public HandLoop {
  public:
    bool fails = false;

    tl::expected<void, Error> turn(Wait wait) override {
        if (fails) return tl::unexpected(Error{StatusCode::io_error, "the ring has failed", {}});
        return HandLoop::turn(wait);
    }
};

// A queue holds zone 2, which should be closed. The loop of that queue fails first.
TEST_F(Room, IsMadeOfAnotherZoneIfTheLoopOfTheHoldingQueueFails) {
    for (std::uint32_t zone = 2; zone < 5; ++zone) EXPECT_EQ(append(user_, zone), StatusCode::ok);
    FailingLoop loop;
    User other(*memory_.transport, loop);
    auto writing = true;
    memory_.bare->holds_back = [&](const Request& request) {
        return writing && request.operation == Operation::write && request.offset < 3 * zone_size;
    };
    other.submit(other.append(2, block, 2));
    other.turns(4);
    const auto refused = user_.submit(user_.append(5, block, 5));
    user_.turns(10);
    EXPECT_FALSE(user_.is_done(refused));
    loop.fails = true;
    other.close();
    writing = false;
    user_.turns(20);
    ASSERT_TRUE(user_.is_done(refused));
    EXPECT_TRUE(user_.wait(refused).status.ok());
    EXPECT_EQ(user_.describe(3).state, ZoneState::closed);
}

// A device that needs this: Linux's null_blk. At its open limit, null_blk closes an implicitly open
// zone for another, as the standards say. At its active limit it does not: null_check_open() in
// drivers/block/null_blk/zoned.c refuses to open a closed zone, although closing another zone would
// suffice.
TEST(RoomOnNullBlk, AClosedZoneIsWrittenAtTheActiveLimit) {
    constexpr std::uint32_t most_active = 5;
    Memory memory({.max_open = most_open, .max_active = most_active});
    auto closes = 0;
    memory.bare->fault = [&](const Request& request) -> std::optional<BareDevice::Fault> {
        if (request.operation == Operation::close) ++closes;
        if (request.operation != Operation::write) return {};
        const auto& machine = memory.disk->machine();
        const auto zone = memory.disk->limits().layout.zone_of(request.offset);
        if (machine.state(zone) != ZoneState::closed || machine.open_count() < most_open ||
            machine.active_count() < most_active)
            return {};
        return BareDevice::Fault{{StatusCode::too_many_open, refusal}, 0};
    };
    User user(*memory.transport, memory.loop);
    for (std::uint32_t zone = 2; zone < 7; ++zone)
        ASSERT_EQ(user.code(user.append(zone, block, zone)), StatusCode::ok);
    EXPECT_EQ(closes, 0);
    ASSERT_EQ(user.describe(2).state, ZoneState::closed);
    EXPECT_EQ(user.run(user.append(2, block, 2)).result, 2 * zone_size + block);
    EXPECT_EQ(user.describe(2).state, ZoneState::implicit_open);
    EXPECT_GT(closes, 0);
    // Closing a zone does not make room for one more active zone.
    const auto before = closes;
    EXPECT_EQ(user.code(user.append(7, block, 7)), StatusCode::too_many_active);
    EXPECT_EQ(closes, before);
}

class RoomOnADeviceThatAppends : public Room {
  protected:
    RoomOnADeviceThatAppends() : Room(Support::native) {}

    Completion write(std::uint32_t zone) {
        return user_.run(user_.write(zone * zone_size, block, zone));
    }
};

// Zone 2 is closed once its append completes. The only write that waits for the zone is withdrawn
// before that.
TEST_F(RoomOnADeviceThatAppends, IsMadeIfTheLastWaitingRequestOfTheZoneIsWithdrawn) {
    for (std::uint32_t zone = 2; zone < 5; ++zone) EXPECT_TRUE(write(zone).status.ok());
    auto appending = true;
    memory_.bare->holds_back = [&](const Request& request) {
        return appending && request.operation == Operation::append;
    };
    const auto append = user_.submit(user_.append(2, block, 2));
    const auto refused = user_.submit(user_.write(5 * zone_size, block, 5));
    user_.turns(10);
    EXPECT_FALSE(user_.is_done(refused));
    {
        User other(*memory_.transport, memory_.loop);
        other.submit(other.write(2 * zone_size + 2 * block, block, 3));
        other.turn();
    }
    appending = false;
    EXPECT_TRUE(user_.wait(append).status.ok());
    user_.turns(20);
    ASSERT_TRUE(user_.is_done(refused));
    EXPECT_TRUE(user_.wait(refused).status.ok());
    EXPECT_EQ(closes_, 1);
}

// When zone 2 is closed, the sweep has already looked at zone 2 and waits for the write of zone 14.
TEST_F(Room, IsMadeWhileAResetOfAllZonesWaitsAndLeavesNoStalePointer) {
    for (std::uint32_t zone = 2; zone < 5; ++zone) EXPECT_EQ(append(user_, zone), StatusCode::ok);
    memory_.bare->held = BareDevice::Held::writes;
    const auto refused = user_.submit(user_.append(14, block, 14));
    user_.turns(4);
    const auto reset = user_.submit(User::act_all(Operation::reset));
    user_.turns(4);
    memory_.bare->held = BareDevice::Held::none;
    EXPECT_EQ(user_.wait(refused).status.code, StatusCode::ok);
    EXPECT_EQ(user_.wait(reset).status.code, StatusCode::ok);
    EXPECT_EQ(closes_, 1);
    const auto after = user_.run(user_.append(2, block, 2));
    EXPECT_EQ(after.status.code, StatusCode::ok);
    EXPECT_EQ(after.result, 2 * zone_size);
}

// The write of zone 5 is refused while the OPEN of zones 2 and 3 is in flight.
TEST_F(Room, IsNotMadeOfAZoneThatASweepActsOn) {
    for (std::uint32_t zone = 2; zone < 5; ++zone) EXPECT_EQ(append(user_, zone), StatusCode::ok);
    auto opening = true;
    auto closing = true;
    memory_.bare->holds_back = [&](const Request& request) {
        return (opening && request.operation == Operation::open) ||
               (closing && request.operation == Operation::close);
    };
    memory_.bare->held = BareDevice::Held::writes;
    const auto refused = user_.submit(user_.append(5, block, 5));
    user_.turns(4);
    const auto open = user_.submit(user_.act(Operation::open, 2, 3));
    user_.turns(4);
    ASSERT_EQ(memory_.bare->actions, 1U);
    memory_.bare->held = BareDevice::Held::none;
    user_.turns(20);
    opening = false;
    EXPECT_EQ(user_.wait(open).status.code, StatusCode::ok);
    closing = false;
    EXPECT_EQ(user_.wait(refused).status.code, StatusCode::ok);
    EXPECT_EQ(user_.describe(2).state, ZoneState::explicit_open);
    EXPECT_EQ(user_.describe(3).state, ZoneState::explicit_open);
    EXPECT_EQ(user_.describe(4).state, ZoneState::closed);
    EXPECT_EQ(memory_.bare->collisions, 0U);
}

TEST_F(Room, IsMadeAgainAfterAWithdrawnSweep) {
    for (std::uint32_t zone = 2; zone < 5; ++zone) EXPECT_EQ(append(user_, zone), StatusCode::ok);
    auto closing = true;
    memory_.bare->holds_back = [&](const Request& request) {
        return closing && request.operation == Operation::close;
    };
    const auto refused = user_.submit(user_.append(5, block, 5));
    {
        User other(*memory_.transport, memory_.loop);
        other.turns(20);
        ASSERT_EQ(memory_.bare->actions, 1U);
        // This sweep waits until zone 2 is closed, although the sweep does not act on zone 2.
        other.submit(other.act(Operation::reset, 8, 9));
        other.turns(4);
        EXPECT_EQ(memory_.bare->actions, 1U);
    }
    closing = false;
    EXPECT_EQ(user_.wait(refused).status.code, StatusCode::ok);
    for (std::uint32_t zone = 6; zone < 12; ++zone) EXPECT_EQ(append(user_, zone), StatusCode::ok);
}

void sweep_at_random(std::uint64_t seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Memory memory({.max_open = most_open});
    std::deque<User> users;
    for (int i = 0; i < 3; ++i) users.emplace_back(*memory.transport, memory.loop);
    memory.bare->most_turns = 4;
    memory.bare->seed = seed;
    std::mt19937_64 random(seed);
    memory.bare->fault = [&](const Request& request) { return refuse(memory, request); };
    std::vector<std::pair<User*, std::uint64_t>> asked;
    for (int step = 0; step < 600; ++step) {
        auto& user = users[random() % users.size()];
        const auto zone = static_cast<std::uint32_t>(2 + random() % 10);
        const auto action = std::array{Operation::open, Operation::close, Operation::finish,
                                       Operation::reset}[random() % 4];
        const auto draw = random() % 32;
        if (draw == 0)
            asked.emplace_back(&user, user.submit(user.act(action, zone, zone + 3)));
        else if (draw == 1)
            asked.emplace_back(&user, user.submit(User::act_all(Operation::reset)));
        else if (draw < 24)
            user.turn();
        else
            asked.emplace_back(&user, user.submit(user.append(zone, block, 1)));
    }
    for (const auto& [user, tag] : asked) {
        for (int turns = 0; !user->is_done(tag) && turns < 10000; ++turns)
            for (auto& each : users) each.turn();
        ASSERT_TRUE(user->is_done(tag));
        // No other program writes, so no append can miss the write pointer.
        EXPECT_NE(user->wait(tag).status.code, StatusCode::unaligned_write);
    }
    EXPECT_EQ(memory.bare->collisions, 0U);
}

TEST(RoomAtRandom, DoesNotDisturbSweeps) {
    for (std::uint64_t seed = 1; seed <= 60; ++seed) sweep_at_random(seed);
}

TEST(FailedRequest, AReadOfAnOfflineZoneEndsWithZoneOffline) {
    Memory memory;
    User user(*memory.transport, memory.loop);
    memory.disk->broken[5] = ZoneState::offline;
    memory.bare->hides_errors = true;
    EXPECT_EQ(user.code(user.read(5 * zone_size, block)), StatusCode::zone_offline);
    EXPECT_EQ(user.code(user.read(4 * zone_size + zone_size / 2, zone_size / 2 + block)),
              StatusCode::too_large);
    EXPECT_EQ(user.code(user.read(5 * zone_size - block, 2 * block)), StatusCode::zone_offline);
    memory.disk->fail_next = StatusCode::io_error;
    EXPECT_EQ(user.code(user.read(4 * zone_size, block)), StatusCode::io_error);
}

TEST(FailedRequest, ARefusedNativeAppendEndsWithAPreciseStatus) {
    Memory memory({.zones = 8, .max_transfer = 64 << 10}, Support::native);
    User user(*memory.transport, memory.loop);
    memory.bare->hides_errors = true;
    EXPECT_EQ(user.code(user.append(3, zone_size - block, 1)), StatusCode::ok);
    EXPECT_EQ(user.code(user.append(3, 2 * block, 2)), StatusCode::crosses_boundary);
    EXPECT_EQ(user.code(user.append(3, block, 3)), StatusCode::ok);
    EXPECT_EQ(user.code(user.append(3, block, 4)), StatusCode::zone_full);
    memory.disk->broken[4] = ZoneState::read_only;
    EXPECT_EQ(user.code(user.append(4, block, 5)), StatusCode::zone_read_only);
    // The failed appends no longer count as in flight, so an action can run.
    EXPECT_EQ(user.code(user.act(Operation::reset, 3)), StatusCode::ok);
}

}  // namespace
}  // namespace zonebridge::test
