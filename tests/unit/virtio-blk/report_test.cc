// Zone reports of any size, from any sector, and several at once.

#include <gtest/gtest.h>

#include "tests/unit/virtio-blk/bench.h"

namespace zonebridge::virtio_blk {
namespace {

constexpr std::uint32_t entry = 64;

driver::BlkRequest report(std::uint64_t sector, std::uint32_t bytes) {
    return {.type = blk::report, .sector = sector, .data_in_length = bytes};
}

TEST(BlkReport, DescribesTheZonesOfTheDisk) {
    Bench bench({.zone_capacity = 48 << 10, .last_zone_size = 32 << 10});
    ASSERT_EQ(bench.write(Bench::sector(zone), pattern(4096)), blk::ok);
    ASSERT_EQ(bench.act(blk::finish, Bench::sector(zone + 1)), blk::ok);
    bench.disk.broken[zone + 2] = ZoneState::offline;
    const auto answer = bench.run(report(0, 4096));
    ASSERT_EQ(answer.status, blk::ok);
    EXPECT_EQ(answer.used_length, 4097U);
    const auto zones = *driver::decode_report(answer.data);
    ASSERT_EQ(zones.size(), 16U);
    for (std::uint32_t i = 0; i < 16; ++i) EXPECT_EQ(zones[i].start, Bench::sector(i));
    EXPECT_EQ(zones[0].type, 1);
    EXPECT_EQ(zones[0].state, 0);
    EXPECT_EQ(zones[0].capacity, 128U) << "a conventional zone's capacity is its length";
    EXPECT_EQ(zones[zone].type, 2);
    EXPECT_EQ(zones[zone].state, 2);
    EXPECT_EQ(zones[zone].capacity, 96U);
    EXPECT_EQ(zones[zone].write_pointer, Bench::sector(zone) + 8);
    EXPECT_EQ(zones[zone + 1].state, 14);
    EXPECT_EQ(zones[zone + 2].state, 15);
    EXPECT_EQ(zones[15].capacity, 64U) << "the last zone is shorter";
}

TEST(BlkReport, FillsABufferOfAnySizeWithWholeDescriptors) {
    Bench bench;
    for (std::uint32_t bytes = 0; bytes < 20 * entry; bytes += bytes < 200 ? 1 : 13) {
        const auto answer = bench.run(report(0, bytes), 0, bytes / 3);
        if (bytes < 2 * entry) {
            EXPECT_EQ(answer.status, blk::invalid) << bytes;
            continue;
        }
        ASSERT_EQ(answer.status, blk::ok) << bytes;
        const auto zones = driver::decode_report(answer.data);
        ASSERT_TRUE(zones) << zones.error();
        ASSERT_EQ(zones->size(), std::min(16U, bytes / entry - 1)) << bytes;
        for (std::size_t i = (zones->size() + 1) * entry; i < bytes; ++i)
            ASSERT_EQ(answer.data[i], std::byte{0xEE}) << bytes;
    }
}

TEST(BlkReport, BeginsWithTheZoneThatHoldsTheSector) {
    Bench bench;
    for (const auto into : {0U, 1U, 127U}) {
        const auto zones =
            *driver::decode_report(bench.run(report(Bench::sector(7) + into, 4096)).data);
        ASSERT_EQ(zones.size(), 9U);
        EXPECT_EQ(zones[0].start, Bench::sector(7));
    }
    EXPECT_EQ(bench.run(report(bench.config.capacity, 4096)).status, blk::invalid);
    EXPECT_EQ(bench.run(report(~std::uint64_t{0}, 4096)).status, blk::invalid);
}

TEST(BlkReport, ALongReportIsFetchedByBoundedRequests) {
    Bench bench({.zones = 1000, .zone_size = 4096, .conventional = 1});
    const auto answer = bench.run(report(0, 1001 * entry));
    const auto zones = *driver::decode_report(answer.data);
    ASSERT_EQ(zones.size(), 1000U);
    for (std::size_t i = 0; i < zones.size(); ++i) ASSERT_EQ(zones[i].start, i * 8);
    EXPECT_EQ(bench.disk.taken.size(), (1000 + 63) / 64U);
    const auto part = *driver::decode_report(bench.run(report(500 * 8, 101 * entry)).data);
    ASSERT_EQ(part.size(), 100U);
    EXPECT_EQ(part[99].start, 599U * 8);
}

TEST(BlkReport, MoreConcurrentReportsThanBuffersAllComplete) {
    Bench bench({.zones = 200, .zone_size = 4096, .conventional = 1});
    bench.disk.hold = true;
    std::vector<Bench::Queued> queued;
    for (unsigned i = 0; i < 12; ++i) queued.push_back(bench.add(report(i * 8, 201 * entry)));
    bench.turn();
    EXPECT_EQ(bench.device->in_flight(0), 12U);
    bench.disk.hold = false;
    bench.turn();
    for (unsigned i = 0; i < 12; ++i) ASSERT_TRUE(bench.ring.ring->take_used()) << i;
    for (unsigned i = 0; i < 12; ++i) {
        const auto answer = Bench::answer_of(queued[i], 0);
        ASSERT_EQ(answer.status, blk::ok);
        const auto zones = *driver::decode_report(answer.data);
        ASSERT_EQ(zones.size(), 200U - i);
        EXPECT_EQ(zones[0].start, i * 8);
    }
}

TEST(BlkReport, AFailedReportReleasesItsBuffer) {
    Bench bench({.zones = 200, .zone_size = 4096, .conventional = 1});
    for (int i = 0; i < 10; ++i) {
        bench.disk.fail_next = StatusCode::io_error;
        EXPECT_EQ(bench.run(report(0, 201 * entry)).status, blk::io_error);
    }
    EXPECT_EQ(bench.run(report(0, 201 * entry)).status, blk::ok);
}

}  // namespace
}  // namespace zonebridge::virtio_blk
