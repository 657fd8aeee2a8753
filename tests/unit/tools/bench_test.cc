// The requests of a measurement, and the histogram. tests/cli/bench_test.cc runs the whole command.
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "base/size.h"
#include "tools/bench_load.h"
#include "tools/histogram.h"

namespace zonebridge::tools {
namespace {

TEST(Histogram, AnEmptyHistogramIsAllZero) {
    const Histogram none;
    EXPECT_EQ(none.count(), 0U);
    EXPECT_EQ(none.min(), 0U);
    EXPECT_EQ(none.max(), 0U);
    EXPECT_EQ(none.percentile(99), 0U);
    EXPECT_EQ(none.mean(), 0);
}

TEST(Histogram, PercentilesAreTooHighByAtMostOneBucket) {
    Histogram times;
    for (std::uint64_t value = 1; value <= 100000; ++value) times.add(value);
    for (const auto percent : {1.0, 50.0, 90.0, 99.0, 99.9, 100.0}) {
        const auto exact = 1000 * percent;
        EXPECT_GE(static_cast<double>(times.percentile(percent)), exact);
        EXPECT_LE(static_cast<double>(times.percentile(percent)), exact * 1.016 + 1);
    }
    EXPECT_EQ(times.min(), 1U);
    EXPECT_EQ(times.max(), 100000U);
    EXPECT_DOUBLE_EQ(times.mean(), 50000.5);
}

TEST(Histogram, SmallAndHugeValuesAreCounted) {
    Histogram times;
    for (const auto value :
         {std::uint64_t{0}, std::uint64_t{63}, std::uint64_t{64}, ~std::uint64_t{0}})
        times.add(value);
    EXPECT_EQ(times.percentile(25), 0U);
    EXPECT_EQ(times.percentile(50), 63U);
    EXPECT_EQ(times.percentile(75), 64U);
    EXPECT_EQ(times.percentile(100), ~std::uint64_t{0});
}

TEST(RandomReads, StayInTheReadableRangesAndReachAllOfThem) {
    RandomReads reads({{0, 10 * KiB}, {64 * KiB, 4 * KiB}, {128 * KiB, 9 * KiB}}, 4 * KiB);
    std::set<std::uint64_t> seen;
    for (int i = 0; i < 1000; ++i) {
        const auto item = reads.next();
        ASSERT_TRUE(item);
        EXPECT_EQ(item->length, 4 * KiB);
        seen.insert(item->offset);
    }
    EXPECT_EQ(seen, (std::set<std::uint64_t>{0, 4 * KiB, 64 * KiB, 128 * KiB, 132 * KiB}));
}

/// Zones of 16 KiB with a capacity of 10 KiB, the first conventional.
const Layout bench_layout(96 * KiB, 16 * KiB, 10 * KiB, 1U, ZoneType::sequential_write_required);

TEST(ZoneWrites, FillEachZoneExactlyAndContinueWhenItsWritesAreDone) {
    ZoneWrites writes(bench_layout, Operation::write, {1, 2, 3}, 1, 4 * KiB);
    std::vector<Load::Item> items;
    while (const auto item = writes.next()) items.push_back(*item);
    ASSERT_EQ(items.size(), 3U);  // zone 1 is full, and its writes are not done
    EXPECT_EQ(items[0].offset, 16 * KiB);
    EXPECT_EQ(items[1].offset, 20 * KiB);
    EXPECT_EQ(items[2].offset, 24 * KiB);
    EXPECT_EQ(items[2].length, 2 * KiB);  // the rest of the capacity
    writes.done(items[0]);
    writes.done(items[2]);
    EXPECT_FALSE(writes.next());
    writes.done(items[1]);
    const auto next = writes.next();
    ASSERT_TRUE(next);
    EXPECT_EQ(next->offset, 32 * KiB);
}

TEST(ZoneWrites, AppendsHaveTheStartOfTheZone) {
    ZoneWrites appends(bench_layout, Operation::append, {1, 2, 3}, 1, 4 * KiB);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(appends.next()->offset, 16 * KiB);
}

TEST(ZoneWrites, OpenAtMostOneZonePerLaneAndResetZonesBeforeReuse) {
    ZoneWrites writes(bench_layout, Operation::write, {1, 2, 3, 4, 5}, 2, 4 * KiB);
    std::map<std::uint32_t, std::uint64_t> written;
    int resets = 0;
    for (int i = 0; i < 200; ++i) {
        std::vector<Load::Item> batch;
        while (const auto item = writes.next()) batch.push_back(*item);
        ASSERT_FALSE(batch.empty());
        for (const auto& item : batch) {
            const auto zone = bench_layout.zone_of(item.offset);
            if (item.operation == Operation::reset) {
                EXPECT_FALSE(item.measured);
                EXPECT_EQ(item.length, bench_layout.length_of(zone));
                EXPECT_EQ(written[zone], bench_layout.capacity_of(zone));
                written[zone] = 0;
                ++resets;
            } else {
                EXPECT_EQ(item.offset, bench_layout.start_of(zone) + written[zone]);
                written[zone] += item.length;
                EXPECT_LE(written[zone], bench_layout.capacity_of(zone));
            }
            writes.done(item);
        }
        int open = 0;
        for (const auto& [zone, bytes] : written)
            open += int{bytes > 0 && bytes < bench_layout.capacity_of(zone)};
        EXPECT_LE(open, 2);
    }
    EXPECT_GT(resets, 5);
}

TEST(PlainWrites, WrapAroundAtTheEnd) {
    PlainWrites writes(10 * KiB, 4 * KiB);
    EXPECT_EQ(writes.next()->offset, 0U);
    EXPECT_EQ(writes.next()->offset, 4 * KiB);
    EXPECT_EQ(writes.next()->offset, 0U);
}

TEST(Reports, StartAtPositionsAllOverTheDisk) {
    Reports reports(bench_layout, 4);
    EXPECT_EQ(reports.next()->offset, 0U);
    EXPECT_EQ(reports.next()->offset, 64 * KiB);
    EXPECT_EQ(reports.next()->offset, 0U);
}

}  // namespace
}  // namespace zonebridge::tools
