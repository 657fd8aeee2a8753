// Zone actions through the target: transitions, limits, ranges, ALL.

#include "base/size.h"
#include "tests/unit/zbc/initiator.h"

namespace zonebridge::zbc::test {
namespace {

using enum Operation;

TEST(TargetZones, EachActionChangesTheState) {
    Initiator initiator;
    EXPECT_EQ(initiator.act(open, 3).words(), "good");
    EXPECT_EQ(initiator.state(3), ZoneState::explicit_open);
    EXPECT_EQ(initiator.act(close, 3).words(), "good");
    EXPECT_EQ(initiator.state(3), ZoneState::empty) << "nothing was written";
    EXPECT_EQ(initiator.write(3, 0, 4 * KiB).words(), "good");
    EXPECT_EQ(initiator.state(3), ZoneState::implicit_open);
    EXPECT_EQ(initiator.act(close, 3).words(), "good");
    EXPECT_EQ(initiator.state(3), ZoneState::closed);
    EXPECT_EQ(initiator.act(finish, 3).words(), "good");
    EXPECT_EQ(initiator.state(3), ZoneState::full);
    EXPECT_EQ(initiator.act(reset, 3).words(), "good");
    EXPECT_EQ(initiator.state(3), ZoneState::empty);
    EXPECT_EQ(initiator.act(finish, 3).words(), "good") << "an empty zone can be finished";
    EXPECT_EQ(initiator.state(3), ZoneState::full);
}

TEST(TargetZones, ActionsWithoutEffectSucceed) {
    Initiator initiator;
    EXPECT_EQ(initiator.act(close, 3).words(), "good");
    EXPECT_EQ(initiator.act(reset, 3).words(), "good");
    EXPECT_EQ(initiator.state(3), ZoneState::empty);
    EXPECT_EQ(initiator.act(finish, 3).words(), "good");
    for (const auto operation : {open, close, finish}) {
        EXPECT_EQ(initiator.act(operation, 3).words(), "good") << to_string(operation);
        EXPECT_EQ(initiator.state(3), ZoneState::full);
    }
    EXPECT_EQ(initiator.act(open, 4).words(), "good");
    EXPECT_EQ(initiator.act(open, 4).words(), "good");
}

TEST(TargetZones, OnlyTheStartOfASequentialZoneIsAValidZoneId) {
    Initiator initiator({.zone_capacity = 48 * KiB});
    const auto act = [&](std::uint64_t lba, std::uint32_t count = 1) {
        return initiator.run(encode_zone_action(open, {lba, count, false})).words();
    };
    EXPECT_EQ(act(initiator.lba(3, 512)), "5/24/00");
    EXPECT_EQ(act(initiator.lba(0)), "5/24/00") << "conventional";
    EXPECT_EQ(act(initiator.lba(3, 48 * KiB)), "5/24/00") << "a gap";
    EXPECT_EQ(act(initiator.lba(16)), "5/21/00");
    EXPECT_EQ(act(~std::uint64_t{0}), "5/21/00");
    EXPECT_TRUE(initiator.disk.taken.empty());
    EXPECT_EQ(act(initiator.lba(3)), "good");
}

TEST(TargetZones, AZoneCountActsOnThatManyZones) {
    Initiator initiator({.zone_capacity = 48 * KiB, .last_zone_size = 16 * KiB});
    EXPECT_EQ(initiator.act(finish, 14, 2).words(), "good") << "with a short last zone";
    EXPECT_EQ(initiator.state(13), ZoneState::empty);
    EXPECT_EQ(initiator.state(14), ZoneState::full);
    EXPECT_EQ(initiator.state(15), ZoneState::full);
    EXPECT_EQ(initiator.act(reset, 2, 14).words(), "good");
    EXPECT_EQ(initiator.state(15), ZoneState::empty);
    EXPECT_EQ(initiator.act(open, 5, 0).words(), "good") << "a count of 0 is one zone";
    EXPECT_EQ(initiator.state(5), ZoneState::explicit_open);
    EXPECT_EQ(initiator.state(6), ZoneState::empty);
}

TEST(TargetZones, AZoneCountBeyondTheSequentialZonesIsRefused) {
    Initiator initiator;
    EXPECT_EQ(initiator.act(open, 15, 2).words(), "5/24/00");
    EXPECT_EQ(initiator.act(open, 2, 0xFFFF).words(), "5/24/00");
    EXPECT_EQ(initiator.act(open, 15, 2).sense()->field, (FieldPointer{true, 12, {}}));
    EXPECT_TRUE(initiator.disk.taken.empty());
}

TEST(TargetZones, AZoneCountSkipsZonesThatNeedNoChange) {
    Initiator initiator;
    for (const auto full : {3, 4, 6, 8})
        EXPECT_EQ(initiator.act(finish, static_cast<std::uint64_t>(full)).words(), "good");
    EXPECT_EQ(initiator.act(open, 3, 6).words(), "good");
    for (const auto zone : {3u, 4u, 6u, 8u}) EXPECT_EQ(initiator.state(zone), ZoneState::full);
    for (const auto zone : {5u, 7u}) EXPECT_EQ(initiator.state(zone), ZoneState::explicit_open);
    EXPECT_EQ(initiator.state(9), ZoneState::empty);
    EXPECT_EQ(initiator.act(close, 2, 14).words(), "good");
    EXPECT_EQ(initiator.state(7), ZoneState::empty);
}

TEST(TargetZones, AZoneCountStopsAtTheFirstZoneThatFails) {
    Initiator initiator({.max_open = 2});
    EXPECT_EQ(initiator.act(open, 3, 4).words(), "7/55/0E");
    EXPECT_EQ(initiator.state(4), ZoneState::explicit_open);
    EXPECT_EQ(initiator.state(5), ZoneState::empty);
    EXPECT_EQ(initiator.act_all(close).words(), "good");
    initiator.disk.broken = {{9, ZoneState::offline}};
    EXPECT_EQ(initiator.act(finish, 8, 3).words(), "7/2C/0E");
    EXPECT_EQ(initiator.state(8), ZoneState::full);
    EXPECT_EQ(initiator.state(10), ZoneState::empty);
}

TEST(TargetZones, ImplicitlyOpenZonesAreClosedToStayWithinTheOpenLimit) {
    Initiator initiator({.max_open = 2});
    EXPECT_EQ(initiator.write(3, 0, 4 * KiB).words(), "good");
    EXPECT_EQ(initiator.act(open, 4).words(), "good");
    EXPECT_EQ(initiator.act(open, 5).words(), "good") << "zone 3 is closed to make room";
    EXPECT_EQ(initiator.state(3), ZoneState::closed);
    EXPECT_EQ(initiator.act(open, 6).words(), "7/55/0E");
    EXPECT_EQ(initiator.write(6, 0, 4 * KiB).words(), "7/55/0E");
    EXPECT_EQ(initiator.write(3, 4 * KiB, 4 * KiB).words(), "7/55/0E") << "a closed zone too";
    EXPECT_EQ(initiator.write(4, 0, 4 * KiB).words(), "good");
}

TEST(TargetZones, TheActiveLimitIsReportedAsInsufficientZoneResources) {
    Initiator initiator({.max_open = 8, .max_active = 2});
    EXPECT_EQ(initiator.write(3, 0, 4 * KiB).words(), "good");
    EXPECT_EQ(initiator.write(4, 0, 4 * KiB).words(), "good");
    EXPECT_EQ(initiator.act(close, 3).words(), "good");
    EXPECT_EQ(initiator.write(5, 0, 4 * KiB).words(), "7/55/0E");
    const auto page = initiator.run(encode_inquiry(0xB6, 64), 64);
    EXPECT_EQ(page.view().be32(16), 2u) << "the open limit shown is never more than can be open";
}

TEST(TargetZones, AllActsOnEveryZoneThatNeedsTheAction) {
    Initiator initiator;
    EXPECT_EQ(initiator.write(3, 0, 4 * KiB).words(), "good");
    EXPECT_EQ(initiator.act(open, 4).words(), "good");
    EXPECT_EQ(initiator.act(finish, 5).words(), "good");
    EXPECT_EQ(initiator.act_all(close).words(), "good");
    EXPECT_EQ(initiator.state(3), ZoneState::closed);
    EXPECT_EQ(initiator.state(4), ZoneState::empty);
    EXPECT_EQ(initiator.act_all(open).words(), "good");
    EXPECT_EQ(initiator.state(3), ZoneState::explicit_open);
    EXPECT_EQ(initiator.state(4), ZoneState::empty) << "only closed zones are opened";
    EXPECT_EQ(initiator.act_all(finish).words(), "good");
    EXPECT_EQ(initiator.state(3), ZoneState::full);
    EXPECT_EQ(initiator.state(4), ZoneState::empty) << "empty zones are not finished";
    EXPECT_EQ(initiator.act_all(reset).words(), "good");
    EXPECT_EQ(initiator.state(3), ZoneState::empty);
    EXPECT_EQ(initiator.state(5), ZoneState::empty);
}

TEST(TargetZones, AllIgnoresTheZoneIdAndTheCount) {
    Initiator initiator;
    EXPECT_EQ(initiator.run(encode_zone_action(reset, {~std::uint64_t{0}, 0xFFFF, true})).words(),
              "good");
}

TEST(TargetZones, OpenAllBeyondTheLimitOpensNoZone) {
    Initiator initiator({.max_open = 2});
    for (const std::uint64_t zone : {3, 4, 5}) {
        EXPECT_EQ(initiator.write(zone, 0, 4 * KiB).words(), "good");
        EXPECT_EQ(initiator.act(close, zone).words(), "good");
    }
    EXPECT_EQ(initiator.act_all(open).words(), "7/55/0E");
    for (const std::uint32_t zone : {3, 4, 5}) EXPECT_EQ(initiator.state(zone), ZoneState::closed);
    EXPECT_EQ(initiator.act_all(finish).words(), "good");
    EXPECT_EQ(initiator.state(5), ZoneState::full);
}

TEST(TargetZones, SequentializeAndOtherServiceActionsAreRefused) {
    Initiator initiator;
    for (const auto action : {0x00, 0x05, 0x10, 0x1F}) {
        Bytes cdb(16);
        cdb[0] = 0x94;
        cdb[1] = static_cast<std::uint8_t>(action);
        EXPECT_EQ(initiator.run(cdb).words(), "5/24/00");
    }
    EXPECT_EQ(initiator.run(hex("95 06 00*14"), 64).words(), "5/24/00");
}

}  // namespace
}  // namespace zonebridge::zbc::test
