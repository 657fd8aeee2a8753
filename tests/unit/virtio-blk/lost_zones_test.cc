// Zone actions and appends that a server took and did not answer before it died.

#include "tests/unit/virtio-blk/lost.h"

namespace zonebridge::virtio_blk {
namespace {

// ---- Zone actions: done, or not done before the server died.

using BlkLostAction = BlkLost;

TEST_F(BlkLostAction, IsNotRepeatedIfItsZoneShowsIt) {
    for (const auto& [type, operation] : {std::pair{blk::open, Operation::open},
                                          {blk::close, Operation::close},
                                          {blk::finish, Operation::finish},
                                          {blk::reset, Operation::reset}}) {
        begin();
        lost.clear();
        ASSERT_EQ(bench->write(at, data), blk::ok);
        ASSERT_EQ(bench->act(type, at), blk::ok);
        lose_action(type, at);
        EXPECT_EQ(recover(), Statuses{blk::ok}) << type;
        EXPECT_EQ(taken(operation), 0U) << type;
    }
}

TEST_F(BlkLostAction, IsCarriedOutIfItsZoneDoesNotShowIt) {
    for (const auto& [type, state] : {std::pair{blk::open, ZoneState::explicit_open},
                                      {blk::close, ZoneState::closed},
                                      {blk::finish, ZoneState::full},
                                      {blk::reset, ZoneState::empty},
                                      {blk::reset_all, ZoneState::empty}}) {
        begin();
        lost.clear();
        ASSERT_EQ(bench->write(at, data), blk::ok);
        lose_action(type, type == blk::reset_all ? 0 : at);
        EXPECT_EQ(recover(), Statuses{blk::ok}) << type;
        EXPECT_EQ(bench->disk.machine().state(zone), state) << type;
    }
}

TEST_F(BlkLostAction, IsFlushedBeforeItCompletesForADriverWithoutFlushes) {
    begin({.zoned = true, .write_through = true});
    ASSERT_EQ(bench->write(at, data), blk::ok);
    ASSERT_EQ(bench->act(blk::finish, at), blk::ok);
    lose_action(blk::finish, at);
    lose_action(blk::reset, at);
    EXPECT_EQ(recover(), (Statuses{blk::ok, blk::ok}));
    EXPECT_EQ(taken(Operation::flush), 2U);
}

TEST_F(BlkLostAction, IsOrderedAmongTheRequestsOfItsZone) {
    begin();
    ASSERT_EQ(bench->write(at, data), blk::ok);
    lose_action(blk::reset, at);
    lose(at, data);  // all of its bytes are there, and the reset comes first
    lose_action(blk::finish, at);
    EXPECT_EQ(recover(), (Statuses{blk::ok, blk::ok, blk::ok}));
    EXPECT_EQ(taken(Operation::reset), 1U);
    EXPECT_EQ(taken(Operation::write), 1U);
    EXPECT_EQ(bench->disk.machine().state(zone), ZoneState::full);
    EXPECT_EQ(bench->read(at, 8192).data, data);
}

TEST_F(BlkLostAction, OnABrokenOrAConventionalZoneGetsItsOwnError) {
    begin();
    bench->disk.broken[zone] = ZoneState::offline;
    lose_action(blk::reset, at);
    lose_action(blk::finish, 0);
    EXPECT_EQ(recover(), (Statuses{blk::invalid, blk::invalid}));
}

// ---- Appends: never a second time.

using BlkLostAppend = BlkLost;

TEST_F(BlkLostAppend, IsCarriedOutIfItsZoneIsEmpty) {
    begin();
    lose_append(at, data);
    EXPECT_EQ(recover(), Statuses{blk::ok});
    EXPECT_EQ(appended(0), at);
    EXPECT_EQ(bench->read(at, 8192).data, data);
}

TEST_F(BlkLostAppend, IsCarriedOutIfItsDataAreNowhereInItsZone) {
    begin();
    const auto other = pattern(8192, 7);
    for (int i = 0; i < 3; ++i) ASSERT_EQ(bench->write(at + 16 * i, other), blk::ok);
    lose_append(at, data);
    EXPECT_EQ(recover(), Statuses{blk::ok});
    EXPECT_EQ(appended(0), at + 48);
    EXPECT_EQ(bench->read(at + 48, 8192).data, data);
}

TEST_F(BlkLostAppend, FailsIfItsDataMayBeInItsZone) {
    const auto other = pattern(8192, 7);
    // Also behind the data of an append that was answered, and if only its beginning is there.
    for (const std::size_t behind : {0, 1, 2}) {
        for (const std::size_t length : {4096, 8192}) {
            begin();
            lost.clear();
            ASSERT_EQ(bench->write(at, other), blk::ok);
            ASSERT_EQ(bench->append(at, Bytes(data.begin(), data.begin() + length)).status,
                      blk::ok);
            for (std::size_t i = 0; i < behind; ++i)
                ASSERT_EQ(bench->append(at, other).status, blk::ok);
            lose_append(at, data);
            EXPECT_EQ(recover(), Statuses{blk::io_error});
            EXPECT_EQ(taken(Operation::append), 0U);
        }
    }
}

TEST_F(BlkLostAppend, IsFoundAnywhereInALargeZone) {
    constexpr std::uint64_t mib = 1 << 20;
    bench.emplace(test::MachineDiskShape{.zones = 4, .zone_size = 4 * mib, .max_transfer = mib});
    const auto start = 3 * 4 * mib / sector_size;
    begin_record();
    for (std::uint64_t i = 0; i < 3; ++i)
        ASSERT_EQ(bench->write(start + i * mib / sector_size, pattern(mib, 40)), blk::ok);
    ASSERT_EQ(bench->append(start, data).status, blk::ok);
    lose_append(start, data);
    lose_append(start, pattern(8192, 77));
    EXPECT_EQ(recover(), (Statuses{blk::io_error, blk::ok}));
    EXPECT_EQ(taken(Operation::read), 4U) << "one search for both";
}

TEST_F(BlkLostAppend, SeveralToOneZoneAreEachCarriedOutOnce) {
    begin();
    ASSERT_EQ(bench->append(at, data).status, blk::ok);  // was done, and not answered
    const auto first = pattern(4096, 20);
    const auto same = pattern(4096, 21);
    lose_append(at, first);
    lose_append(at, data);
    lose_append(at, same);
    lose_append(at, same);
    EXPECT_EQ(recover(), (Statuses{blk::ok, blk::io_error, blk::ok, blk::ok}));
    EXPECT_EQ(appended(0), at + 16);
    EXPECT_EQ(appended(2), at + 24);
    EXPECT_EQ(appended(3), at + 32);
    EXPECT_EQ(bench->read(at + 16, 4096).data, first);
    EXPECT_EQ(bench->read(at + 32, 4096).data, same);
    EXPECT_EQ(taken(Operation::append), 3U);
}

TEST_F(BlkLostAppend, FailsIfItsZoneCanNotBeReadOrAsked) {
    begin();
    ASSERT_EQ(bench->write(at, pattern(8192, 7)), blk::ok);
    lose_append(at, data);
    bench->disk.fail_next = StatusCode::io_error;  // the report
    EXPECT_EQ(recover(), Statuses{blk::io_error});
    lost.clear();
    lose_append(at, data);
    bench->disk.broken[zone] = ZoneState::offline;
    EXPECT_EQ(recover(), Statuses{blk::io_error});
}

TEST_F(BlkLostAppend, ThatDoesNotFitAnyMoreGetsItsOwnError) {
    begin();
    ASSERT_EQ(bench->act(blk::open, at), blk::ok);
    ASSERT_EQ(bench->act(blk::finish, at), blk::ok);
    lose_append(at, data);
    EXPECT_EQ(recover(), Statuses{blk::invalid});
}

}  // namespace
}  // namespace zonebridge::virtio_blk
