// The order in which commands for zones are released.

#include <algorithm>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include "transports/scsi/passthrough/order.h"

namespace zonebridge::scsi::test {
namespace {

using zbc::ZoneEffect;
using zbc::ZoneTouch;

constexpr std::uint64_t zone_blocks = 8;
constexpr std::uint32_t conventional = 2;
constexpr std::uint32_t zones = 4000;

Limits limits_of(std::uint32_t count) {
    Limits limits;
    limits.layout = Layout(count * zone_blocks * 512, zone_blocks * 512, zone_blocks * 512,
                           conventional, ZoneType::sequential_write_required);
    limits.model = Model::host_managed;
    return limits;
}

class ZoneOrderTest : public testing::Test, private ZoneOrder::Listener {
  protected:
    struct Command : ZoneOrder::Entry {
        char name = ' ';
    };

    /// Enters a command of this name.
    void enter(char name, const ZoneEffect& effect) {
        auto& command = commands_[static_cast<std::size_t>(name)];
        command.name = name;
        order_.enter(command, effect);
    }
    void leave(char name) { order_.leave(commands_[static_cast<std::size_t>(name)]); }
    /// The names of the commands that were released since the last call.
    std::string released() { return std::exchange(released_, {}); }

    static ZoneEffect write(std::uint64_t zone, std::uint64_t offset = 0,
                            std::uint64_t blocks = 1) {
        return {.touch = ZoneTouch::writes, .lba = zone * zone_blocks + offset, .blocks = blocks};
    }
    static ZoneEffect act(std::uint64_t zone, std::uint32_t count = 1, bool all = false) {
        return {.touch = ZoneTouch::acts, .lba = zone * zone_blocks, .zones = count, .all = all};
    }
    static ZoneEffect touch(ZoneTouch what) {
        return {.touch = what, .lba = 5 * zone_blocks, .blocks = 1};
    }

  private:
    void may_go(ZoneOrder::Entry& entry) noexcept override {
        released_ += static_cast<Command&>(entry).name;
    }

    Limits limits_ = limits_of(zones);
    ZoneOrder order_{limits_, 8, *this};
    std::array<Command, 128> commands_;
    std::string released_;
};

TEST_F(ZoneOrderTest, CommandsOfOneZoneGoOneByOneAndOthersTogether) {
    enter('a', write(5));
    enter('b', write(5, 1));
    enter('c', write(5, 2));
    enter('d', write(6));
    EXPECT_EQ(released(), "ad");
    leave('a');
    EXPECT_EQ(released(), "b");
    leave('d');
    EXPECT_EQ(released(), "");
    leave('b');
    EXPECT_EQ(released(), "c");
    leave('c');
    enter('e', write(5, 3));
    EXPECT_EQ(released(), "e");
}

TEST_F(ZoneOrderTest, ActionsKeepTheirOrderWithWrites) {
    enter('a', write(5));
    enter('b', act(5));
    enter('c', write(5));
    EXPECT_EQ(released(), "a");
    leave('a');
    EXPECT_EQ(released(), "b");
    leave('b');
    EXPECT_EQ(released(), "c");
}

TEST_F(ZoneOrderTest, ACommandOnTwoZonesWaitsForBoth) {
    enter('a', write(5));
    enter('b', write(6));
    enter('c', write(5, 7, 2));
    enter('d', write(6, 1));
    enter('e', act(6, 2));
    enter('f', write(7));
    EXPECT_EQ(released(), "ab");
    leave('a');
    EXPECT_EQ(released(), "");
    leave('b');
    EXPECT_EQ(released(), "c");
    leave('c');
    EXPECT_EQ(released(), "d");
    leave('d');
    EXPECT_EQ(released(), "e");
    leave('e');
    EXPECT_EQ(released(), "f");
}

TEST_F(ZoneOrderTest, CommandsOnManyOrUnknownZonesGoAlone) {
    enter('a', write(5));
    enter('b', act(0, 1, true));
    enter('c', write(9));
    enter('d', touch(ZoneTouch::everything));
    enter('e', act(9));
    enter('f', write(10, 0, 3 * zone_blocks));
    enter('g', act(20, 3));
    EXPECT_EQ(released(), "a");
    leave('a');
    EXPECT_EQ(released(), "b");
    leave('b');
    EXPECT_EQ(released(), "c");
    leave('c');
    EXPECT_EQ(released(), "d");
    leave('d');
    EXPECT_EQ(released(), "e");
    leave('e');
    EXPECT_EQ(released(), "f");
    leave('f');
    EXPECT_EQ(released(), "g");
}

TEST_F(ZoneOrderTest, CommandsWithoutAnOrderNeverWait) {
    enter('a', write(5));
    enter('b', touch(ZoneTouch::everything));
    released();
    enter('c', touch(ZoneTouch::reads));
    enter('d', touch(ZoneTouch::flushes));
    enter('e', touch(ZoneTouch::none));
    enter('f', write(1));
    enter('g', write(0, 0, 2 * zone_blocks));
    EXPECT_EQ(released(), "cdefg");
    for (const auto name : std::string("cdefg")) leave(name);
    EXPECT_EQ(released(), "");
    leave('a');
    EXPECT_EQ(released(), "b");
}

TEST_F(ZoneOrderTest, CommandsThatTheDiskWillRefuseAreReleasedAtOnce) {
    enter('a', write(zones));
    enter('b', write(5, 0, 0));
    enter('c', {.touch = ZoneTouch::writes, .lba = ~std::uint64_t{0}, .blocks = ~std::uint64_t{0}});
    enter('d', {.touch = ZoneTouch::acts, .lba = ~std::uint64_t{0}, .zones = ~std::uint32_t{0}});
    EXPECT_EQ(released(), "abcd");
    // A write to the end of the disk and beyond.
    enter('e', write(zones - 1, 7, ~std::uint64_t{0}));
    enter('f', write(zones - 1));
    EXPECT_EQ(released(), "e");
    leave('e');
    EXPECT_EQ(released(), "f");
}

TEST_F(ZoneOrderTest, ZonesThatShareALineDoNotWaitForOneAnother) {
    enter('a', write(5));
    enter('b', write(5 + 32));  // a depth of 8 gives 32 lines
    enter('c', write(5 + 64));
    enter('d', write(5));
    EXPECT_EQ(released(), "abc");
    leave('b');
    EXPECT_EQ(released(), "");
    leave('a');
    EXPECT_EQ(released(), "d");
}

TEST(ZoneOrder, ADiskWithoutZonesHasNoOrder) {
    struct Count final : ZoneOrder::Listener {
        int count = 0;
        void may_go(ZoneOrder::Entry& /*entry*/) noexcept override { ++count; }
    } listener;
    Limits limits;
    limits.layout = Layout(1 << 20, 0, 0, 0, ZoneType::sequential_write_required);
    ZoneOrder order(limits, 4, listener);
    std::array<ZoneOrder::Entry, 3> entries;
    order.enter(entries[0], {.touch = ZoneTouch::writes, .lba = 0, .blocks = 8});
    order.enter(entries[1], {.touch = ZoneTouch::everything});
    order.enter(entries[2], {.touch = ZoneTouch::writes, .lba = 0, .blocks = 8});
    EXPECT_EQ(listener.count, 3);
}

/// Compares the order with the rule itself: a command is released exactly if it conflicts with no
/// earlier unfinished command.
TEST(ZoneOrder, AnyMixtureFollowsTheRule) {
    struct Command : ZoneOrder::Entry {
        std::uint64_t first = 0, last = 0;
        bool alone = false, ordered = false, released = false, done = true;
    };
    struct Listen final : ZoneOrder::Listener {
        void may_go(ZoneOrder::Entry& entry) noexcept override {
            static_cast<Command&>(entry).released = true;
        }
    } listener;
    const auto limits = limits_of(12);
    constexpr std::size_t depth = 16;
    ZoneOrder order(limits, depth, listener);
    std::vector<Command> commands(depth);
    std::vector<Command*> arrived;  // and not ended; oldest first
    std::mt19937 random(7);
    const auto conflict = [](const Command& a, const Command& b) {
        if (!a.ordered || !b.ordered) return false;
        return a.alone || b.alone || (a.first <= b.last && b.first <= a.last);
    };
    for (int round = 0; round < 20000; ++round) {
        if (arrived.size() < depth && random() % 2 == 0) {
            auto& command = *std::find_if(commands.begin(), commands.end(),
                                          [](const auto& one) { return one.done; });
            ZoneEffect effect{.touch = ZoneTouch::writes};
            effect.lba = random() % (12 * zone_blocks);
            effect.blocks = 1 + random() % (3 * zone_blocks);
            effect.blocks = std::min(effect.blocks, 12 * zone_blocks - effect.lba);
            if (random() % 16 == 0) effect = {.touch = ZoneTouch::everything};
            command.done = command.released = false;
            command.first = std::max<std::uint64_t>(effect.lba / zone_blocks, conventional);
            command.last = (effect.lba + effect.blocks - 1) / zone_blocks;
            command.alone = effect.touch == ZoneTouch::everything ||
                            command.last - effect.lba / zone_blocks > 1;
            command.ordered = command.alone || command.last >= conventional;
            arrived.push_back(&command);
            order.enter(command, effect);
        } else if (!arrived.empty()) {
            std::vector<Command*> in_flight;
            std::copy_if(arrived.begin(), arrived.end(), std::back_inserter(in_flight),
                         [](const auto* one) { return one->released; });
            ASSERT_FALSE(in_flight.empty()) << "commands wait, but none is in flight";
            auto* const ending = in_flight[random() % in_flight.size()];
            ending->done = true;
            std::erase(arrived, ending);
            order.leave(*ending);
        }
        for (std::size_t i = 0; i < arrived.size(); ++i) {
            bool waits = false;
            bool behind = false;  // behind a command that goes alone
            for (std::size_t j = 0; j < i; ++j) {
                waits |= conflict(*arrived[j], *arrived[i]);
                behind |= arrived[j]->alone && arrived[i]->ordered;
            }
            ASSERT_EQ(arrived[i]->released, !(waits || behind)) << round;
        }
    }
}

}  // namespace
}  // namespace zonebridge::scsi::test
