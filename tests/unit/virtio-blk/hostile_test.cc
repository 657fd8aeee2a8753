// Malformed chains and invalid requests.

#include <gtest/gtest.h>

#include "tests/unit/virtio-blk/bench.h"

namespace zonebridge::virtio_blk {
namespace {

TEST(BlkHostile, AChainWithoutAHeaderOrAStatusEndsTheSession) {
    for (const auto& [readable, writable] :
         {std::pair{15, 1}, std::pair{0, 1}, std::pair{16, 0}, std::pair{0, 512}}) {
        Bench bench;
        std::vector<driver::Buffer> chain;
        if (readable != 0)
            chain.push_back(driver::to_device(
                bench.ring.shared.allocate(static_cast<std::size_t>(readable), 1)));
        if (writable != 0)
            chain.push_back(driver::from_device(
                bench.ring.shared.allocate(static_cast<std::size_t>(writable), 1)));
        ASSERT_TRUE(bench.ring.ring->add(chain));
        (void)bench.ring.ring->publish();
        EXPECT_FALSE(bench.device->take(0));
        ASSERT_TRUE(bench.device->fault());
        EXPECT_NE(bench.device->fault()->find("virtio-blk's header"), std::string::npos);
        EXPECT_EQ(bench.device->in_flight(0), 0U);
        EXPECT_FALSE(bench.device->take(0)) << "no more chains are taken";
        bench.device->detach(0);
        EXPECT_FALSE(bench.device->fault()) << "the fault ends with its driver";
    }
}

TEST(BlkHostile, ABrokenRingEndsTheSession) {
    Bench bench;
    bench.ring.ring->make_available(9999);
    EXPECT_FALSE(bench.device->take(0));
    EXPECT_TRUE(bench.device->fault());
}

TEST(BlkHostile, MoreChainsInFlightThanDescriptorsEndTheSession) {
    Bench bench;
    bench.disk.hold = true;
    const auto first = bench.add({.type = blk::flush});
    for (int i = 1; i < 64; ++i) (void)bench.add({.type = blk::flush});
    EXPECT_TRUE(bench.device->take(0)) << "a full ring is no fault";
    EXPECT_EQ(bench.device->in_flight(0), 64U);
    bench.ring.ring->make_available(first.head);
    EXPECT_FALSE(bench.device->take(0));
    ASSERT_TRUE(bench.device->fault());
    EXPECT_NE(bench.device->fault()->find("more chains"), std::string::npos);
    bench.disk.hold = false;
    bench.turn();
    EXPECT_EQ(bench.device->in_flight(0), 0U) << "the chains in flight complete";
}

TEST(BlkHostile, InvalidRequestsFailAndNeverReachTheDisk) {
    Bench bench;
    // The tail has no room for the append's sector.
    for (const std::uint32_t tail : {1U, 8U})
        EXPECT_EQ(bench.append(Bench::sector(zone), pattern(4096), tail).status, blk::invalid);
    for (const auto type : {blk::out, blk::append})
        EXPECT_NE(bench.run({.type = type, .sector = Bench::sector(zone), .tail = 16}).status,
                  blk::ok)
            << "no data";
    // The sector times 512 overflows to a valid offset.
    for (const auto type : {blk::in, blk::out, blk::append, blk::report, blk::open, blk::reset}) {
        const auto data = pattern(type == blk::out || type == blk::append ? 4096 : 0);
        const auto answer = bench.run({.type = type,
                                       .sector = (std::uint64_t{1} << 55) + Bench::sector(zone),
                                       .data_out = data,
                                       .data_in_length = type == blk::in ? 4096U : 0U,
                                       .tail = 200});
        EXPECT_NE(answer.status, blk::ok) << type;
    }
    // Longer than the disk's largest transfer.
    EXPECT_EQ(bench.read(0, 64 << 10).status, blk::io_error);
    EXPECT_EQ(bench.write(0, pattern(64 << 10)), blk::io_error);
    EXPECT_EQ(bench.disk.machine().active_count(), 0U);
    for (const auto& taken : bench.disk.taken) ADD_FAILURE() << to_string(taken.operation);
}

}  // namespace
}  // namespace zonebridge::virtio_blk
