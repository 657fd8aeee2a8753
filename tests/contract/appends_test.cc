// Zone append, native or emulated: exact offsets, without holes or overlaps, with any number of
// threads.
#include <algorithm>
#include <mutex>
#include <random>

#include "tests/contract/fixture.h"
#include "tests/contract/oracle.h"

namespace zonebridge::contract {
namespace {

class Appends : public ZonedContract {
  protected:
    void SetUp() override {
        ZonedContract::SetUp();
        if (!IsSkipped() && !appends()) GTEST_SKIP() << "the device has no zone append";
    }
    struct Landed {
        std::uint64_t offset;
        std::uint64_t length;
        std::uint64_t stamp;
    };
    std::mutex lock_;
    std::vector<Landed> landed_;  // guarded by lock_ while threads run

    /// Expects that every zone holds the appended data from its start on, without holes or
    /// overlaps.
    void expect_dense() {
        std::sort(landed_.begin(), landed_.end(),
                  [](const auto& one, const auto& other) { return one.offset < other.offset; });
        std::optional<std::uint32_t> current;
        std::uint64_t position = 0;
        const auto leave = [&] {
            if (!current) return;
            const auto now = zone(*current);
            if (now.state != ZoneState::full) {
                EXPECT_EQ(now.write_pointer, position) << "zone " << *current;
            }
        };
        for (const auto& each : landed_) {
            const auto number = layout().zone_of(each.offset);
            if (number != current) {
                leave();
                current = number;
                position = start(number);
            }
            ASSERT_EQ(each.offset, position) << "zone " << number;
            ASSERT_TRUE(disk().read(each.offset, each.length) == pattern(each.stamp, each.length))
                << "zone " << number << " at " << each.offset;
            position += each.length;
        }
        leave();
    }

    /// Appends to `target` `count` times, or until the zone is full.
    void append_some(Driver& disk, std::mt19937_64& random, std::uint32_t target, int count,
                     std::uint64_t stamp) {
        for (int i = 0; i < count; ++i, ++stamp) {
            const auto most = std::min<std::uint64_t>(piece() / unit(), 8);
            const auto length = unit() * (1 + random() % most);
            const auto done = disk.append(start(target), pattern(stamp, length));
            if (done.status.code == StatusCode::zone_full ||
                done.status.code == StatusCode::crosses_boundary)
                return;
            ASSERT_EQ(done.status.code, StatusCode::ok) << to_string(done.status.cause);
            const std::lock_guard guard(lock_);
            landed_.push_back({done.result, length, stamp});
        }
    }
};

TEST_F(Appends, TellWhereTheDataWent) {
    const auto target = zones()[zones().size() / 2];
    std::mt19937_64 random(4);
    append_some(disk(), random, target, 20, 100);
    ASSERT_EQ(landed_.size(), 20U);
    expect_dense();
}

TEST_F(Appends, GoOnWhereWritesEndedAndBack) {
    const auto target = zones().front();
    fill(start(target), 3 * unit(), 5);
    const auto first = disk().append(start(target), pattern(6, unit()));
    ASSERT_EQ(first.status.code, StatusCode::ok);
    EXPECT_EQ(first.result, start(target) + 3 * unit());
    EXPECT_EQ(disk().write(start(target) + 4 * unit(), pattern(7, unit())).code, StatusCode::ok);
    const auto second = disk().append(start(target), pattern(8, 2 * unit()));
    EXPECT_EQ(second.result, start(target) + 5 * unit());
    ASSERT_EQ(act(Operation::reset, target).status.code, StatusCode::ok);
    EXPECT_EQ(disk().append(start(target), pattern(9, unit())).result, start(target));
}

TEST_F(Appends, ThatDoNotFitAreRefusedWhole) {
    const auto target = zones().back();
    const auto room = capacity(target) / unit() * unit();
    fill(start(target), room - unit(), 5);
    EXPECT_EQ(disk().append(start(target), pattern(6, 2 * unit())).status.code,
              StatusCode::crosses_boundary);
    EXPECT_EQ(zone(target).write_pointer, start(target) + room - unit());
    const auto last = disk().append(start(target), pattern(7, unit()));
    EXPECT_EQ(last.status.code, StatusCode::ok);
    EXPECT_EQ(last.result, start(target) + room - unit());
    if (room != capacity(target)) return;
    EXPECT_EQ(disk().append(start(target), pattern(8, unit())).status.code, StatusCode::zone_full);
}

TEST_F(Appends, NotAtAZonesStartOrOfNoWholeBlocksAreRefused) {
    const auto target = zones().front();
    EXPECT_EQ(disk().append(start(target) + unit(), pattern(1, unit())).status.code,
              StatusCode::not_sequential);
    EXPECT_EQ(disk().append(start(target), pattern(1, unit() + 1)).status.code,
              StatusCode::misaligned);
    EXPECT_EQ(disk().append(limits().size(), pattern(1, unit())).status.code,
              StatusCode::out_of_range);
    if (required() && limits().logical_block_size < unit()) {
        EXPECT_EQ(disk().append(start(target), pattern(1, limits().logical_block_size)).status.code,
                  StatusCode::unaligned_write);
    }
    EXPECT_EQ(zone(target).state, ZoneState::empty);
}

TEST_F(Appends, TheLargestIsTakenAndNoLarger) {
    const auto target = zones().front();
    const auto most = std::min(limits().max_append, capacity(target)) / unit() * unit();
    const auto data = pattern(1, most);
    const auto done = disk().append(start(target), data);
    ASSERT_EQ(done.status.code, StatusCode::ok) << to_string(done.status.cause);
    EXPECT_EQ(done.result, start(target));
    for (std::uint64_t at = 0; at < most;) {
        const auto next = std::min(most - at, limits().max_transfer / unit() * unit());
        const auto got = disk().read(start(target) + at, next);
        EXPECT_TRUE(
            std::equal(got.begin(), got.end(), data.begin() + static_cast<std::ptrdiff_t>(at)));
        at += next;
    }
    const auto more = limits().max_append / unit() * unit() + unit();
    if (more <= limits().size() - start(target)) {
        EXPECT_EQ(disk().append(start(target), Bytes(more)).status.code, StatusCode::too_large);
    }
}

TEST_F(Appends, ManyAtOnceToOneZoneAreDense) {
    const auto target = zones().front();
    constexpr std::size_t count = 100;
    std::vector<Bytes> data;
    std::vector<iovec> buffers(count);
    std::vector<Request> requests;
    const auto room = capacity(target) / unit();
    for (std::size_t i = 0; i < std::min<std::size_t>(count, room); ++i)
        data.push_back(pattern(500 + i, unit()));
    for (std::size_t i = 0; i < data.size(); ++i) {
        buffers[i] = {data[i].data(), data[i].size()};
        requests.push_back(request_of(Operation::append, start(target), unit(), {&buffers[i], 1}));
    }
    const auto done = disk().run(requests);
    for (std::size_t i = 0; i < done.size(); ++i) {
        ASSERT_EQ(done[i].status.code, StatusCode::ok) << to_string(done[i].status.cause);
        landed_.push_back({done[i].result, unit(), 500 + i});
    }
    expect_dense();
}

TEST_F(Appends, OfEightThreadsToOneZoneAreDense) {
    const auto target = zones()[zones().size() / 2];
    run(8, [&](Driver& disk, int thread) {
        std::mt19937_64 random(static_cast<std::uint64_t>(thread));
        append_some(disk, random, target, 12, 10'000 * static_cast<std::uint64_t>(thread + 1));
    });
    EXPECT_GE(landed_.size(), 8U);
    expect_dense();
}

TEST_F(Appends, OfEightThreadsToManyZonesAreDense) {
    auto targets = zones();
    targets.resize(std::min<std::size_t>({targets.size(), most_active(), 6}));
    run(8, [&](Driver& disk, int thread) {
        std::mt19937_64 random(static_cast<std::uint64_t>(thread));
        for (int i = 0; i < 16; ++i)
            append_some(
                disk, random, targets[random() % targets.size()], 1,
                10'000 * static_cast<std::uint64_t>(thread + 1) + static_cast<std::uint64_t>(i));
    });
    EXPECT_EQ(landed_.size(), 8U * 16U);
    expect_dense();
}

// Until the zone is full: an append that does not fit leaves nothing, and all others are in the
// zone.
TEST_F(Appends, OfFourThreadsFillAZoneToItsEnd) {
    const auto target = zones().back();
    const auto room = capacity(target) / unit();
    const auto most = std::min(limits().max_append, std::uint64_t{64} << 10) / unit();
    const auto share = std::max<std::uint64_t>(std::min(most, room / 8), 1) * unit();
    run(4, [&](Driver& disk, int thread) {
        for (std::uint64_t i = 0;; ++i) {
            const auto stamp = 100'000 * static_cast<std::uint64_t>(thread + 1) + i;
            const auto done = disk.append(start(target), pattern(stamp, share));
            if (done.status.code == StatusCode::zone_full ||
                done.status.code == StatusCode::crosses_boundary)
                return;
            ASSERT_EQ(done.status.code, StatusCode::ok) << to_string(done.status.cause);
            const std::lock_guard guard(lock_);
            landed_.push_back({done.result, share, stamp});
        }
    });
    EXPECT_EQ(landed_.size(), capacity(target) / share);
    expect_dense();
}

}  // namespace
}  // namespace zonebridge::contract
