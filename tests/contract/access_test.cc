// Opening read-only, reopening, and read-only and offline zones.
#include <algorithm>

#include "tests/contract/fixture.h"
#include "tests/contract/oracle.h"

namespace zonebridge::contract {
namespace {

class Access : public Contract {};
class Persistence : public ZonedContract {};

TEST_F(Access, ForReadingOnlyRefusesWhateverWrites) {
    const auto at = zoned() ? start(zones().front()) : 0;
    if (moves_data()) fill(at, 2 * unit(), 3);
    if (moves_data()) {
        ASSERT_EQ(disk().flush().code, StatusCode::ok);
    }
    const auto before = zoned() ? report() : std::vector<Zone>();
    open(false);
    if (!moves_data()) GTEST_SKIP() << "a device that keeps nothing has nothing to protect";
    EXPECT_TRUE(limits().read_only);
    EXPECT_EQ(disk().write(at + 2 * unit(), pattern(1, unit())).code, StatusCode::read_only);
    if (limits().max_discard) {
        EXPECT_EQ(disk().clear(Operation::discard, at, unit()).code, StatusCode::read_only);
    }
    if (limits().max_write_zeroes) {
        EXPECT_EQ(disk().clear(Operation::write_zeroes, at, unit()).code, StatusCode::read_only);
    }
    if (zoned()) {
        if (appends()) {
            EXPECT_EQ(disk().append(at, pattern(1, unit())).status.code, StatusCode::read_only);
        }
        for (const auto action :
             {Operation::open, Operation::close, Operation::finish, Operation::reset}) {
            EXPECT_EQ(act(action, zones().front()).status.code, StatusCode::read_only);
            EXPECT_EQ(disk().act_all(action).code, StatusCode::read_only);
        }
        EXPECT_EQ(report(), before);
    }
    expect_filled(disk(), at, 2 * unit(), 3);
    EXPECT_EQ(disk().flush().code, StatusCode::ok);
}

TEST_F(Persistence, ClosingAndOpeningLeavesEveryZoneAsItWas) {
    const auto most = std::min<std::size_t>(most_active(), limits().max_open.value_or(~0U));
    std::vector<std::uint32_t> written;
    for (std::size_t i = 0; i < std::min<std::size_t>(zones().size(), 5); ++i) {
        const auto number = zones()[i];
        if (i < most) {
            fill(start(number), (i + 1) * unit(), 1000 * (i + 1));
            written.push_back(number);
        }
        if (i == 0) {
            ASSERT_EQ(act(Operation::finish, number).status.code, StatusCode::ok);
        }
        if (i == 1 && i < most) {
            ASSERT_EQ(act(Operation::close, number).status.code, StatusCode::ok);
        }
        if (i == 2 && i < most) {
            ASSERT_EQ(act(Operation::open, number).status.code, StatusCode::ok);
        }
    }
    const auto before = report();
    for (int round = 0; round < 2; ++round) {
        open();
        EXPECT_EQ(report(), before);
        for (std::size_t i = 0; i < written.size(); ++i)
            expect_filled(disk(), start(written[i]), (i + 1) * unit(), 1000 * (i + 1));
    }
    // Writes continue at the pointer, and nowhere else.
    for (std::size_t i = 1; i < written.size(); ++i) {
        const auto at = start(written[i]) + (i + 1) * unit();
        if (required()) {
            EXPECT_EQ(disk().write(at + unit(), pattern(1, unit())).code,
                      StatusCode::unaligned_write);
        }
        EXPECT_EQ(disk().write(at, pattern(1, unit())).code, StatusCode::ok);
    }
}

class Broken : public ZonedContract, public ::testing::WithParamInterface<ZoneState> {
  protected:
    void SetUp() override {
        ZonedContract::SetUp();
        if (IsSkipped()) return;
        const auto& given = offline() ? settings().offline : settings().read_only;
        zone_ = given.at(0);
    }
    [[nodiscard]] static bool offline() { return GetParam() == ZoneState::offline; }
    [[nodiscard]] static StatusCode code() {
        return offline() ? StatusCode::zone_offline : StatusCode::zone_read_only;
    }
    std::uint32_t zone_ = 0;
};

TEST_P(Broken, ZonesAreReportedAsSuch) {
    EXPECT_EQ(zone(zone_).state, GetParam());
    EXPECT_FALSE(zone(zone_).write_pointer);
}

TEST_P(Broken, ZonesRefuseWritesAndActions) {
    for (int round = 0; round < 2; ++round) {
        EXPECT_EQ(disk().write(start(zone_), pattern(1, unit())).code, code());
        if (appends()) {
            EXPECT_EQ(disk().append(start(zone_), pattern(1, unit())).status.code, code());
        }
        for (const auto action :
             {Operation::open, Operation::close, Operation::finish, Operation::reset})
            EXPECT_EQ(act(action, zone_).status.code, code()) << to_string(action);
    }
    EXPECT_EQ(zone(zone_).state, GetParam());
}

TEST_P(Broken, ZonesAreReadAsFarAsTheyCanBe) {
    Bytes data(unit());
    const auto got = disk().try_read(start(zone_), data).code;
    if (!offline()) {
        EXPECT_EQ(got, StatusCode::ok);
        return;
    }
    // For a failed read, Linux returns only EIO, and the transport does not look for the cause.
    EXPECT_TRUE(got == StatusCode::zone_offline || got == StatusCode::io_error) << to_string(got);
}

TEST_P(Broken, ZonesAreLeftAloneByActionsOnAll) {
    for (const auto action :
         {Operation::open, Operation::close, Operation::finish, Operation::reset})
        EXPECT_EQ(disk().act_all(action).code, StatusCode::ok) << to_string(action);
    EXPECT_EQ(zone(zone_).state, GetParam());
}

TEST_P(Broken, ZonesDoNotHinderTheirNeighbours) {
    const auto next = std::upper_bound(zones().begin(), zones().end(), zone_);
    const auto number = next == zones().end() ? zones().back() : *next;
    EXPECT_EQ(disk().write(start(zone_), pattern(1, unit())).code, code());
    fill(start(number), 4 * unit(), 5);
    expect_filled(disk(), start(number), 4 * unit(), 5);
    EXPECT_EQ(act(Operation::reset, number).status.code, StatusCode::ok);
}

INSTANTIATE_TEST_SUITE_P(Zones, Broken, ::testing::Values(ZoneState::read_only, ZoneState::offline),
                         [](const auto& state) {
                             return state.param == ZoneState::offline ? "Offline" : "ReadOnly";
                         });

}  // namespace
}  // namespace zonebridge::contract
