// Open and active limits: one zone beyond each, and implicitly open zones that are closed to make
// room.
#include <algorithm>

#include "tests/contract/fixture.h"

namespace zonebridge::contract {
namespace {

class Resources : public ZonedContract {
  protected:
    /// The limit on open zones; nothing if these zones cannot reach a limit.
    [[nodiscard]] std::optional<std::uint32_t> open_limit() const {
        if (!required() || !limits().max_open || *limits().max_open >= zones().size())
            return std::nullopt;
        return limits().max_open;
    }
    [[nodiscard]] std::optional<std::uint32_t> active_limit() const {
        if (!required() || !limits().max_active || *limits().max_active >= zones().size())
            return std::nullopt;
        return limits().max_active;
    }
    [[nodiscard]] std::size_t count(std::initializer_list<ZoneState> states) {
        const auto all = report();
        return static_cast<std::size_t>(
            std::count_if(all.begin(), all.end(), [&](const Zone& zone) {
                return std::find(states.begin(), states.end(), zone.state) != states.end();
            }));
    }
    [[nodiscard]] std::size_t open_count() {
        return count({ZoneState::implicit_open, ZoneState::explicit_open});
    }
    [[nodiscard]] std::size_t active_count() {
        return count({ZoneState::implicit_open, ZoneState::explicit_open, ZoneState::closed});
    }
    StatusCode write(std::uint32_t zone) {
        return disk().write(start(zone), pattern(zone + 1, unit())).code;
    }
};

TEST_F(Resources, OneExplicitlyOpenZoneTooManyIsRefused) {
    const auto limit = open_limit();
    if (!limit) GTEST_SKIP() << "no limit on open zones that these zones reach";
    for (std::uint32_t i = 0; i < *limit; ++i)
        ASSERT_EQ(act(Operation::open, zones()[i]).status.code, StatusCode::ok) << i;
    const auto extra = zones()[*limit];
    // If both limits are reached, the active limit is reported (zone/machine).
    const auto wanted =
        active_limit() == limit ? StatusCode::too_many_active : StatusCode::too_many_open;
    EXPECT_EQ(act(Operation::open, extra).status.code, wanted);
    EXPECT_EQ(write(extra), wanted);
    EXPECT_EQ(disk().append(start(extra), pattern(1, unit())).status.code, wanted);
    EXPECT_EQ(zone(extra).state, ZoneState::empty);
    EXPECT_EQ(open_count(), *limit);

    // Finishing or resetting a zone makes room for another.
    EXPECT_EQ(act(Operation::finish, zones()[0]).status.code, StatusCode::ok);
    EXPECT_EQ(act(Operation::open, extra).status.code, StatusCode::ok);
    EXPECT_EQ(act(Operation::reset, extra).status.code, StatusCode::ok);
    EXPECT_EQ(write(extra), StatusCode::ok);
    EXPECT_EQ(zone(extra).state, ZoneState::implicit_open);
}

TEST_F(Resources, ImplicitlyOpenZonesMakeRoom) {
    const auto limit = open_limit();
    if (!limit) GTEST_SKIP() << "no limit on open zones that these zones reach";
    if (*limit >= most_active()) GTEST_SKIP() << "no more zones can be active than open";
    const auto count = std::min<std::size_t>(most_active(), *limit + 3);
    for (std::size_t i = 0; i < count; ++i) {
        ASSERT_EQ(write(zones()[i]), StatusCode::ok) << i;
        ASSERT_LE(open_count(), *limit);
        ASSERT_EQ(active_count(), i + 1);
    }
    // Appends to all of them, also those that were closed, and an explicit open.
    for (std::size_t i = 0; i < count; ++i)
        ASSERT_EQ(disk().append(start(zones()[i]), pattern(i, unit())).status.code, StatusCode::ok);
    EXPECT_EQ(act(Operation::open, zones()[0]).status.code, StatusCode::ok);
    EXPECT_EQ(zone(zones()[0]).state, ZoneState::explicit_open);
    EXPECT_LE(open_count(), *limit);
}

TEST_F(Resources, OneActiveZoneTooManyIsRefused) {
    const auto limit = active_limit();
    if (!limit) GTEST_SKIP() << "no limit on active zones that these zones reach";
    for (std::uint32_t i = 0; i < *limit; ++i) {
        ASSERT_EQ(write(zones()[i]), StatusCode::ok) << i;
        ASSERT_EQ(act(Operation::close, zones()[i]).status.code, StatusCode::ok) << i;
    }
    const auto extra = zones()[*limit];
    EXPECT_EQ(write(extra), StatusCode::too_many_active);
    EXPECT_EQ(act(Operation::open, extra).status.code, StatusCode::too_many_active);
    EXPECT_EQ(disk().append(start(extra), pattern(1, unit())).status.code,
              StatusCode::too_many_active);
    EXPECT_EQ(zone(extra).state, ZoneState::empty);
    EXPECT_EQ(active_count(), *limit);
    // Active zones can still be written.
    EXPECT_EQ(disk().append(start(zones()[0]), pattern(1, unit())).status.code, StatusCode::ok);
    EXPECT_EQ(act(Operation::finish, zones()[0]).status.code, StatusCode::ok);
    EXPECT_EQ(write(extra), StatusCode::ok);
    EXPECT_EQ(active_count(), *limit);
}

TEST_F(Resources, WithoutALimitEveryZoneCanBeOpen) {
    if (open_limit() || active_limit()) GTEST_SKIP() << "there are limits";
    const auto count = std::min<std::size_t>(zones().size(), 40);
    for (std::size_t i = 0; i < count; ++i)
        ASSERT_EQ(act(Operation::open, zones()[i]).status.code, StatusCode::ok) << i;
    EXPECT_EQ(open_count(), count);
}

// However many threads open zones at once, no more opens succeed than the limit allows.
TEST_F(Resources, ThreadsTogetherKeepTheLimits) {
    const auto limit = open_limit() ? open_limit() : active_limit();
    if (!limit) GTEST_SKIP() << "no limit that these zones reach";
    std::vector<std::atomic<int>> opened(4);
    run(4, [&](Driver& disk, int thread) {
        for (std::size_t i = static_cast<std::size_t>(thread); i < zones().size(); i += 4) {
            const auto number = zones()[i];
            const auto code =
                disk.act(Operation::open, start(number), layout().length_of(number)).status.code;
            if (code == StatusCode::ok)
                ++opened[static_cast<std::size_t>(thread)];
            else
                EXPECT_TRUE(code == StatusCode::too_many_open ||
                            code == StatusCode::too_many_active)
                    << to_string(code);
        }
    });
    int sum = 0;
    for (const auto& each : opened) sum += each;
    const auto room = std::min(open_limit().value_or(~0U), active_limit().value_or(~0U));
    EXPECT_EQ(sum, static_cast<int>(room));
    EXPECT_EQ(count({ZoneState::explicit_open}), room);
}

}  // namespace
}  // namespace zonebridge::contract
