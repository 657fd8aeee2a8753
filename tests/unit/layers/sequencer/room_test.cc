// Room for one more open zone on a device that closes none itself; and what failed reads and native
// appends are told.
#include <cerrno>

#include <gtest/gtest.h>

#include "tests/unit/layers/sequencer/memory.h"

namespace zonebridge::test {
namespace {

constexpr std::uint64_t zone_size = 64 << 10;
constexpr std::uint32_t most_open = 3;
const auto refusal = NativeCause::os_error(ETOOMANYREFS);

bool is_open(ZoneState state) {
    return state == ZoneState::implicit_open || state == ZoneState::explicit_open;
}

/// Zones 2 to 15 are sequential, three may be open; what would open a fourth is refused, as
/// null_blk does at its active limit. The machine below would make room.
class Room : public ::testing::Test {
  protected:
    Room() {
        memory_.bare->fault = [this](const Request& request) -> std::optional<BareDevice::Fault> {
            auto& machine = memory_.disk->machine();
            const auto opens = request.operation == Operation::write ||
                               request.operation == Operation::open ||
                               request.operation == Operation::finish;
            if (request.operation == Operation::close) ++closes_;
            if (!opens || machine.open_count() < most_open) return {};
            const auto state = machine.state(memory_.disk->limits().layout.zone_of(request.offset));
            if (is_open(state)) return {};
            ++refusals_;
            return BareDevice::Fault{{StatusCode::too_many_open, refusal}, 0};
        };
    }

    StatusCode append(User& user, std::uint32_t zone) {
        return user.code(user.append(zone, block, zone));
    }

    Memory memory_{{.max_open = most_open}};
    int closes_ = 0;
    int refusals_ = 0;
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

TEST_F(Room, IsMadeAgainAndAgain) {
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

TEST_F(Room, IsNotMadeOfZonesThatSomebodyWantsOpen) {
    for (std::uint32_t zone = 2; zone < 5; ++zone) {
        EXPECT_EQ(user_.code(user_.act(Operation::open, zone)), StatusCode::ok);
        EXPECT_EQ(append(user_, zone), StatusCode::ok);
    }
    const auto refused = user_.run(user_.append(5, block, 5)).status;
    EXPECT_EQ(refused, (Status{StatusCode::too_many_open, refusal}));
    EXPECT_EQ(closes_, 0);
    // And once there is one, it is.
    EXPECT_EQ(user_.code(user_.act(Operation::close, 3)), StatusCode::ok);
    EXPECT_EQ(append(user_, 5), StatusCode::ok);
}

TEST_F(Room, IsMadeBetweenTheWritesOfBusyZones) {
    std::vector<std::uint64_t> tags;
    const auto append_some = [&](std::uint32_t zone) {
        // FUA and plain do not join, so that the zone has one write after the other.
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

TEST_F(Room, IsMadeByTheQueueThatHoldsTheZoneWhichMayEnd) {
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

TEST_F(Room, WhoWaitsForItCanLeave) {
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

TEST(Explained, AReadOfAnOfflineZoneIsToldSo) {
    Memory memory;
    User user(*memory.transport, memory.loop);
    memory.disk->broken[5] = ZoneState::offline;
    memory.bare->mumbles = true;
    EXPECT_EQ(user.code(user.read(5 * zone_size, block)), StatusCode::zone_offline);
    EXPECT_EQ(user.code(user.read(4 * zone_size + zone_size / 2, zone_size / 2 + block)),
              StatusCode::too_large);
    EXPECT_EQ(user.code(user.read(5 * zone_size - block, 2 * block)), StatusCode::zone_offline);
    memory.disk->fail_next = StatusCode::io_error;
    EXPECT_EQ(user.code(user.read(4 * zone_size, block)), StatusCode::io_error);
}

TEST(Explained, ARefusedNativeAppendIsToldWhy) {
    Memory memory({.zones = 8, .max_transfer = 64 << 10}, Support::native);
    User user(*memory.transport, memory.loop);
    memory.bare->mumbles = true;
    EXPECT_EQ(user.code(user.append(3, zone_size - block, 1)), StatusCode::ok);
    EXPECT_EQ(user.code(user.append(3, 2 * block, 2)), StatusCode::crosses_boundary);
    EXPECT_EQ(user.code(user.append(3, block, 3)), StatusCode::ok);
    EXPECT_EQ(user.code(user.append(3, block, 4)), StatusCode::zone_full);
    memory.disk->broken[4] = ZoneState::read_only;
    EXPECT_EQ(user.code(user.append(4, block, 5)), StatusCode::zone_read_only);
    // And the zone is not left with one append too many in flight: an action gets its turn.
    EXPECT_EQ(user.code(user.act(Operation::reset, 3)), StatusCode::ok);
}

}  // namespace
}  // namespace zonebridge::test
