#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "base/size.h"
#include "tests/unit/zone/support.h"
#include "zone/machine.h"

namespace zonebridge {
namespace {

using Code = StatusCode;
using enum ZoneState;
using Zones = std::vector<std::uint32_t>;

class MachineLimits : public testing::Test, public Machine::Observer {
  public:
    void zone_changed(std::uint32_t zone) noexcept override { changed.push_back(zone); }

  protected:
    Machine& with(const test::Disk& disk) {
        limits_ = test::limits_of(disk);
        machine_.emplace(limits_, this);
        return *machine_;
    }
    Code begin(std::uint32_t zone) {
        return machine_->begin_write(machine_->describe(zone).write_pointer.value_or(0), 4 * KiB);
    }
    Code write(std::uint32_t zone) {
        const auto pointer = machine_->describe(zone).write_pointer.value_or(0);
        const auto code = machine_->begin_write(pointer, 4 * KiB);
        if (code == Code::ok) machine_->advance(pointer, 4 * KiB);
        return code;
    }
    Code act(Operation operation, std::uint32_t zone) { return machine_->act(operation, zone); }
    Zones in(ZoneState state) const {
        Zones out;
        for (std::uint32_t zone = 0; zone < limits_.layout.zone_count(); ++zone)
            if (machine_->state(zone) == state) out.push_back(zone);
        return out;
    }

    std::vector<std::uint32_t> changed;

  private:
    Limits limits_;
    std::optional<Machine> machine_;
};

TEST_F(MachineLimits, WithoutLimitsEveryZoneMayBeOpen) {
    auto& machine = with({});
    for (std::uint32_t zone = 0; zone < 10; ++zone) EXPECT_EQ(write(zone), Code::ok);
    EXPECT_EQ(machine.open_count(), 10U);
}

TEST_F(MachineLimits, TheZoneOpenedImplicitlyLongestAgoMakesRoom) {
    auto& machine = with({.max_open = 3});
    for (const auto zone : {7, 2, 5}) EXPECT_EQ(write(zone), Code::ok);
    EXPECT_EQ(write(7), Code::ok) << "another write does not make the zone younger";
    changed.clear();
    EXPECT_EQ(write(0), Code::ok);
    EXPECT_EQ(in(closed), (Zones{7}));
    EXPECT_EQ(in(implicit_open), (Zones{0, 2, 5}));
    EXPECT_EQ(changed, (Zones{7, 0, 0})) << "7 closed; 0 opened, then advanced";
    EXPECT_EQ(write(7), Code::ok) << "a closed zone opens again and is the youngest";
    EXPECT_EQ(in(closed), (Zones{2}));
    EXPECT_EQ(write(1), Code::ok);
    EXPECT_EQ(in(closed), (Zones{2, 5}));
    EXPECT_EQ(machine.open_count(), 3U);
    EXPECT_EQ(machine.active_count(), 5U);
}

TEST_F(MachineLimits, ZonesThatAreNoLongerImplicitlyOpenLeaveTheOrder) {
    with({.max_open = 4});
    for (const auto zone : {0, 1, 2, 3}) ASSERT_EQ(write(zone), Code::ok);
    ASSERT_EQ(act(Operation::reset, 0), Code::ok);   // the oldest
    ASSERT_EQ(act(Operation::open, 2), Code::ok);    // one in the middle
    ASSERT_EQ(act(Operation::finish, 3), Code::ok);  // the youngest
    for (const auto zone : {4, 5}) ASSERT_EQ(write(zone), Code::ok);
    EXPECT_EQ(in(closed), Zones{});
    ASSERT_EQ(write(6), Code::ok);
    EXPECT_EQ(in(closed), (Zones{1}));
    ASSERT_EQ(write(7), Code::ok);
    EXPECT_EQ(in(closed), (Zones{1, 4}));
    EXPECT_EQ(in(explicit_open), (Zones{2}));
}

TEST_F(MachineLimits, AZoneClosedAtItsStartBecomesEmpty) {
    with({.max_open = 1});
    ASSERT_EQ(begin(0), Code::ok);  // opened, but the data never arrived
    ASSERT_EQ(write(1), Code::ok);
    EXPECT_EQ(in(closed), Zones{});
    EXPECT_EQ(in(implicit_open), (Zones{1}));

    with({});
    for (const auto zone : {0, 1}) ASSERT_EQ(act(Operation::open, zone), Code::ok);
    ASSERT_EQ(act(Operation::close, 0), Code::ok);
    EXPECT_EQ(in(closed), Zones{});
    ASSERT_EQ(begin(2), Code::ok);
    ASSERT_EQ(write(3), Code::ok);
    Machine& machine = with({});
    for (const auto zone : {0, 1}) ASSERT_EQ(act(Operation::open, zone), Code::ok);
    ASSERT_EQ(write(1), Code::ok);
    EXPECT_EQ(machine.act_all(Operation::close), Code::ok);
    EXPECT_EQ(in(closed), (Zones{1}));
}

TEST_F(MachineLimits, ExplicitlyOpenZonesAreNeverClosedToMakeRoom) {
    auto& machine = with({.max_open = 2});
    ASSERT_EQ(write(9), Code::ok);
    ASSERT_EQ(act(Operation::close, 9), Code::ok);
    for (const auto zone : {0, 1}) ASSERT_EQ(act(Operation::open, zone), Code::ok);
    changed.clear();
    EXPECT_EQ(write(2), Code::too_many_open);
    EXPECT_EQ(write(9), Code::too_many_open);
    EXPECT_EQ(machine.begin_append(2 * 64 * KiB, 4 * KiB).error(), Code::too_many_open);
    EXPECT_EQ(act(Operation::open, 2), Code::too_many_open);
    EXPECT_EQ(act(Operation::open, 9), Code::too_many_open);
    EXPECT_TRUE(changed.empty());
    EXPECT_EQ(write(0), Code::ok) << "open already";
    EXPECT_EQ(act(Operation::open, 1), Code::ok) << "open already";
    ASSERT_EQ(act(Operation::close, 1), Code::ok);
    EXPECT_EQ(write(2), Code::ok);
}

TEST_F(MachineLimits, AnExplicitOpenMakesRoomToo) {
    with({.max_open = 2});
    for (const auto zone : {3, 4}) ASSERT_EQ(write(zone), Code::ok);
    EXPECT_EQ(act(Operation::open, 4), Code::ok) << "an open zone needs no room";
    EXPECT_EQ(in(implicit_open), (Zones{3}));
    EXPECT_EQ(act(Operation::open, 5), Code::ok);
    EXPECT_EQ(in(closed), (Zones{3}));
    EXPECT_EQ(in(explicit_open), (Zones{4, 5}));
    EXPECT_EQ(act(Operation::open, 3), Code::too_many_open);
}

TEST_F(MachineLimits, AFullZoneIsNoLongerActive) {
    auto& machine = with({.max_open = 1, .max_active = 1});
    ASSERT_EQ(act(Operation::open, 0), Code::ok);
    ASSERT_EQ(machine.begin_write(0, 64 * KiB), Code::ok);
    machine.advance(0, 64 * KiB);
    EXPECT_EQ(machine.state(0), full);
    EXPECT_EQ(machine.active_count(), 0U);
    EXPECT_EQ(write(1), Code::ok);
}

TEST_F(MachineLimits, ClosedZonesCountAsActive) {
    auto& machine = with({.max_active = 2});
    ASSERT_EQ(write(0), Code::ok);
    ASSERT_EQ(write(1), Code::ok);
    ASSERT_EQ(act(Operation::close, 0), Code::ok);
    EXPECT_EQ(write(2), Code::too_many_active);
    EXPECT_EQ(machine.begin_append(2 * 64 * KiB, 4 * KiB).error(), Code::too_many_active);
    EXPECT_EQ(act(Operation::open, 2), Code::too_many_active);
    EXPECT_EQ(act(Operation::finish, 2), Code::too_many_active);
    EXPECT_EQ(write(0), Code::ok) << "an active zone needs no room";
    EXPECT_EQ(act(Operation::reset, 1), Code::ok);
    EXPECT_EQ(write(2), Code::ok);
}

TEST_F(MachineLimits, TooManyActiveWinsOverTooManyOpen) {
    with({.max_open = 1, .max_active = 1});
    ASSERT_EQ(act(Operation::open, 0), Code::ok);
    EXPECT_EQ(write(1), Code::too_many_active);
    EXPECT_EQ(act(Operation::open, 1), Code::too_many_active);
    EXPECT_EQ(act(Operation::finish, 1), Code::too_many_active);
}

TEST_F(MachineLimits, ARefusalForTooManyActiveZonesClosesNothing) {
    with({.max_open = 1, .max_active = 2});
    ASSERT_EQ(write(0), Code::ok);
    ASSERT_EQ(write(1), Code::ok);  // closes 0
    changed.clear();
    EXPECT_EQ(write(2), Code::too_many_active);
    EXPECT_TRUE(changed.empty());
    EXPECT_EQ(in(implicit_open), (Zones{1}));
}

TEST_F(MachineLimits, FinishNeedsRoomForAnEmptyOrClosedZone) {
    auto& machine = with({.max_open = 1});
    ASSERT_EQ(write(9), Code::ok);
    ASSERT_EQ(act(Operation::close, 9), Code::ok);
    ASSERT_EQ(act(Operation::open, 0), Code::ok);
    EXPECT_EQ(act(Operation::finish, 1), Code::too_many_open);
    EXPECT_EQ(act(Operation::finish, 9), Code::too_many_open);
    EXPECT_EQ(act(Operation::finish, 0), Code::ok) << "an open zone needs no room";
    ASSERT_EQ(write(2), Code::ok);
    EXPECT_EQ(act(Operation::finish, 1), Code::ok);
    EXPECT_EQ(in(full), (Zones{0, 1}));
    EXPECT_EQ(in(closed), (Zones{2, 9})) << "zone 2 made room";
    EXPECT_EQ(machine.open_count(), 0U);
}

TEST_F(MachineLimits, FinishAllIsAllowedHoweverManyZonesAreOpen) {
    auto& machine = with({.max_open = 1});
    for (const auto zone : {0, 1, 2}) ASSERT_EQ(write(zone), Code::ok);
    ASSERT_EQ(act(Operation::open, 3), Code::ok);
    EXPECT_EQ(machine.act_all(Operation::finish), Code::ok);
    EXPECT_EQ(in(full), (Zones{0, 1, 2, 3}));
    EXPECT_EQ(machine.active_count(), 0U);
}

TEST_F(MachineLimits, OpenAllOverTheLimitOpensNothing) {
    auto& machine = with({.max_open = 3});
    for (const auto zone : {0, 1, 2}) ASSERT_EQ(write(zone), Code::ok);
    ASSERT_EQ(machine.act_all(Operation::close), Code::ok);
    ASSERT_EQ(act(Operation::open, 9), Code::ok);
    changed.clear();
    EXPECT_EQ(machine.act_all(Operation::open), Code::too_many_open);
    EXPECT_TRUE(changed.empty());
    ASSERT_EQ(act(Operation::reset, 1), Code::ok);
    EXPECT_EQ(machine.act_all(Operation::open), Code::ok);
    EXPECT_EQ(in(explicit_open), (Zones{0, 2, 9}));
}

TEST_F(MachineLimits, OpenAllClosesImplicitlyOpenZonesAndDoesNotReopenThem) {
    auto& machine = with({.max_open = 3});
    for (const auto zone : {4, 1}) ASSERT_EQ(write(zone), Code::ok);
    ASSERT_EQ(machine.act_all(Operation::close), Code::ok);
    for (const auto zone : {7, 6, 0}) ASSERT_EQ(write(zone), Code::ok);
    EXPECT_EQ(machine.act_all(Operation::open), Code::ok);
    EXPECT_EQ(in(explicit_open), (Zones{1, 4}));
    EXPECT_EQ(in(implicit_open), (Zones{0}));
    EXPECT_EQ(in(closed), (Zones{6, 7}));
}

TEST_F(MachineLimits, ResetAllFreesEverything) {
    auto& machine = with({.conventional = 1, .max_open = 2, .max_active = 4});
    for (const auto zone : {1, 2, 3}) ASSERT_EQ(write(zone), Code::ok);
    ASSERT_EQ(act(Operation::open, 4), Code::ok);
    ASSERT_EQ(act(Operation::finish, 1), Code::ok);
    ASSERT_TRUE(machine.restore(8, read_only, 4 * KiB));
    ASSERT_TRUE(machine.restore(9, offline, 0));
    changed.clear();
    EXPECT_EQ(machine.act_all(Operation::reset), Code::ok);
    EXPECT_EQ(changed, (Zones{1, 2, 3, 4})) << "empty zones did not change";
    EXPECT_EQ(in(empty), (Zones{1, 2, 3, 4, 5, 6, 7}));
    EXPECT_EQ(machine.active_count(), 0U);
    for (const auto zone : {5, 6, 7}) EXPECT_EQ(write(zone), Code::ok);
    EXPECT_EQ(in(closed), (Zones{5}));
}

TEST_F(MachineLimits, AWriteInFlightToAZoneThatMadeRoomIsNotLost) {
    auto& machine = with({.max_open = 1});
    ASSERT_EQ(begin(0), Code::ok);
    ASSERT_EQ(write(1), Code::ok);
    EXPECT_EQ(machine.state(0), empty);
    machine.advance(0, 4 * KiB);
    EXPECT_EQ(machine.state(0), closed);
    EXPECT_EQ(machine.written_end(0), 4 * KiB);
    EXPECT_EQ(machine.active_count(), 2U);
    ASSERT_EQ(machine.begin_write(4 * KiB, 60 * KiB), Code::ok);
    ASSERT_EQ(write(1), Code::ok);
    EXPECT_EQ(machine.state(0), closed);
    machine.advance(4 * KiB, 60 * KiB);
    EXPECT_EQ(machine.state(0), full);
    EXPECT_EQ(machine.open_count(), 1U);
}

TEST_F(MachineLimits, AWriteFromBeforeAResetMovesNoPointer) {
    auto& machine = with({});
    for (int i = 0; i < 2; ++i) ASSERT_EQ(write(0), Code::ok);
    ASSERT_EQ(machine.begin_write(8 * KiB, 4 * KiB), Code::ok);
    ASSERT_EQ(act(Operation::reset, 0), Code::ok);
    machine.advance(8 * KiB, 4 * KiB);
    EXPECT_EQ(machine.state(0), empty);
    EXPECT_EQ(machine.written_end(0), 0U) << "nothing has written the first 8 KiB";
}

TEST_F(MachineLimits, TheObserverIsNotToldOfCallsThatChangeNothing) {
    auto& machine = with({.conventional = 1});
    ASSERT_EQ(act(Operation::open, 1), Code::ok);
    ASSERT_EQ(act(Operation::finish, 2), Code::ok);
    ASSERT_EQ(write(3), Code::ok);
    ASSERT_EQ(act(Operation::close, 3), Code::ok);
    changed.clear();
    EXPECT_EQ(act(Operation::open, 1), Code::ok);
    EXPECT_EQ(act(Operation::finish, 2), Code::ok);
    EXPECT_EQ(act(Operation::close, 3), Code::ok);
    EXPECT_EQ(act(Operation::reset, 4), Code::ok);
    ASSERT_EQ(machine.begin_write(0, 4 * KiB), Code::ok);
    machine.advance(0, 4 * KiB);
    machine.advance(3 * 64 * KiB, 4 * KiB);  // below the pointer
    EXPECT_EQ(changed, Zones{});
}

TEST_F(MachineLimits, ALimitOfAllSequentialZonesRefusesNothing) {
    with({.conventional = 4, .max_open = 6});
    for (const auto zone : {4, 5, 6, 7, 8}) ASSERT_EQ(write(zone), Code::ok);
    EXPECT_EQ(act(Operation::open, 9), Code::ok);
    EXPECT_EQ(in(implicit_open), (Zones{4, 5, 6, 7, 8}));
}

TEST_F(MachineLimits, ALimitOfZeroAllowsNoOpenZone) {
    with({.max_open = 0});
    EXPECT_EQ(write(0), Code::too_many_open);
    EXPECT_EQ(act(Operation::open, 0), Code::too_many_open);
}

TEST_F(MachineLimits, PreferredZonesAreNeverRefusedForTheLimits) {
    auto& machine =
        with({.type = ZoneType::sequential_write_preferred, .max_open = 1, .max_active = 1});
    for (std::uint32_t zone = 0; zone < 5; ++zone) EXPECT_EQ(act(Operation::open, zone), Code::ok);
    for (std::uint32_t zone = 5; zone < 10; ++zone) EXPECT_EQ(write(zone), Code::ok);
    EXPECT_EQ(machine.open_count(), 10U);
    EXPECT_EQ(machine.act_all(Operation::close), Code::ok);
    EXPECT_EQ(machine.act_all(Operation::open), Code::ok);
}

}  // namespace
}  // namespace zonebridge
