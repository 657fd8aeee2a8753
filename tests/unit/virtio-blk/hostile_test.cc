// Chains that no driver makes, requests that make no sense, and what a dead server left behind.

#include <gtest/gtest.h>

#include "tests/unit/virtio-blk/bench.h"

namespace zonebridge::virtio_blk {
namespace {

constexpr std::uint32_t zone = Bench::first_sequential;

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
        EXPECT_FALSE(bench.device->take(0)) << "nothing more is taken";
        bench.device->detach(0);
        EXPECT_FALSE(bench.device->fault()) << "the next driver is not to blame";
    }
}

TEST(BlkHostile, ABrokenRingEndsTheSession) {
    Bench bench;
    bench.ring.ring->make_available(9999);
    EXPECT_FALSE(bench.device->take(0));
    EXPECT_TRUE(bench.device->fault());
}

TEST(BlkHostile, NonsenseIsAnsweredAndReachesNoDisk) {
    Bench bench;
    // No room for the append's sector.
    for (const std::uint32_t tail : {1U, 8U})
        EXPECT_EQ(bench.append(Bench::sector(zone), pattern(4096), tail).status, blk::invalid);
    for (const auto type : {blk::out, blk::append})
        EXPECT_NE(bench.run({.type = type, .sector = Bench::sector(zone), .tail = 16}).status,
                  blk::ok)
            << "no data";
    // The sector times 512 would be small again.
    for (const auto type : {blk::in, blk::out, blk::append, blk::report, blk::open, blk::reset}) {
        const auto data = pattern(type == blk::out || type == blk::append ? 4096 : 0);
        const auto answer = bench.run({.type = type,
                                       .sector = (std::uint64_t{1} << 55) + Bench::sector(zone),
                                       .data_out = data,
                                       .data_in_length = type == blk::in ? 4096U : 0U,
                                       .tail = 200});
        EXPECT_NE(answer.status, blk::ok) << type;
    }
    // More than the disk takes at once.
    EXPECT_EQ(bench.read(0, 64 << 10).status, blk::io_error);
    EXPECT_EQ(bench.write(0, pattern(64 << 10)), blk::io_error);
    EXPECT_EQ(bench.disk.machine().active_count(), 0U);
    for (const auto& taken : bench.disk.taken) ADD_FAILURE() << to_string(taken.operation);
}

/// What the driver asks of a server that takes it and dies, and of the next one.
struct Left {
    driver::BlkRequest request;
    std::uint8_t status;
    bool done;
};

TEST(BlkHostile, WhatADeadServerTookIsDoneAgainOnlyIfThatChangesNothing) {
    constexpr std::uint16_t size = 64;
    const auto fd = virtio::InflightArea::make(1, size);
    ASSERT_TRUE(fd) << fd.error();
    const auto area =
        virtio::InflightArea::map(fd->get(), 0, virtio::InflightArea::size_for(1, size), 1, size);
    ASSERT_TRUE(area) << area.error();
    const auto data = pattern(4096);
    const auto at = Bench::sector(zone);
    const Left left[] = {
        {{.type = blk::in, .sector = 0, .data_in_length = 4096}, blk::ok, true},
        {{.type = blk::flush}, blk::ok, true},
        {{.type = blk::get_id, .data_in_length = 20}, blk::ok, false},
        {{.type = blk::report, .data_in_length = 4096}, blk::ok, true},
        {{.type = blk::out, .sector = 8, .data_out = data}, blk::ok, true},  // conventional
        {{.type = blk::out, .sector = at, .data_out = data}, blk::io_error, false},
        {{.type = blk::append, .sector = at, .data_out = data, .tail = 16}, blk::io_error, false},
        {{.type = blk::open, .sector = at}, blk::io_error, false},
        {{.type = blk::reset, .sector = at}, blk::io_error, false},
        {{.type = blk::reset_all}, blk::io_error, false},
    };
    Bench bench;
    virtio::RingPair pair({.size = size}, area->get());
    std::vector<Bench::Queued> queued;
    for (const auto& one : left) {
        const auto head = blk::header(one.request.type, one.request.sector);
        const auto out = pair.shared.allocate(head.size() + one.request.data_out.size(), 1);
        std::memcpy(out.host, head.data(), head.size());
        if (!one.request.data_out.empty())
            std::memcpy(out.host + head.size(), one.request.data_out.data(),
                        one.request.data_out.size());
        const auto in = pair.shared.allocate(one.request.data_in_length + one.request.tail, 1);
        const auto added =
            pair.ring->add(std::array{driver::to_device(out), driver::from_device(in)});
        ASSERT_TRUE(added);
        (void)pair.ring->publish();
        ASSERT_EQ(pair.pop(), virtio::PopResult::chain);  // taken, and then the server died
        queued.push_back({in, one.request.data_in_length, one.request.tail, *added});
    }
    auto again = virtio::VirtQueue::create(*pair.memory, pair.config(area->get()));
    ASSERT_TRUE(again) << again.error();
    bench.device->attach(1, *again);
    bench.turn();
    (void)again->publish();
    std::size_t done = 0;
    for (std::size_t i = 0; i < std::size(left); ++i) {
        EXPECT_TRUE(pair.ring->take_used());
        EXPECT_EQ(Bench::answer_of(queued[i], 0).status, left[i].status) << i;
        if (left[i].done) ++done;
    }
    EXPECT_EQ(bench.disk.taken.size(), done);
    EXPECT_EQ(bench.disk.machine().active_count(), 0U);
    EXPECT_EQ(bench.device->in_flight(1), 0U);
    bench.device->detach(1);
}

TEST(BlkHostile, WhatADeadServerClearedIsClearedAgain) {
    constexpr std::uint16_t size = 8;
    const auto fd = virtio::InflightArea::make(1, size);
    ASSERT_TRUE(fd) << fd.error();
    const auto area =
        virtio::InflightArea::map(fd->get(), 0, virtio::InflightArea::size_for(1, size), 1, size);
    ASSERT_TRUE(area) << area.error();
    Bench bench({.model = Model::none, .max_clear = 4096},
                {.zoned = false, .write_through = false, .discard = true, .write_zeroes = true});
    virtio::RingPair pair({.size = size}, area->get());
    for (const auto type : {blk::discard, blk::write_zeroes}) {
        const auto head = blk::header(type, 0);
        const std::array<std::uint64_t, 2> range{8, 1};
        const auto out = pair.shared.allocate(head.size() + sizeof range, 1);
        std::memcpy(out.host, head.data(), head.size());
        std::memcpy(out.host + head.size(), range.data(), sizeof range);
        ASSERT_TRUE(pair.ring->add(
            std::array{driver::to_device(out), driver::from_device(pair.shared.allocate(1, 1))}));
        (void)pair.ring->publish();
        ASSERT_EQ(pair.pop(), virtio::PopResult::chain);
    }
    auto again = virtio::VirtQueue::create(*pair.memory, pair.config(area->get()));
    ASSERT_TRUE(again) << again.error();
    bench.device->attach(1, *again);
    bench.turn();
    ASSERT_EQ(bench.disk.taken.size(), 2U);
    EXPECT_EQ(bench.disk.taken[0].operation, Operation::discard);
    EXPECT_EQ(bench.disk.taken[1].operation, Operation::write_zeroes);
    bench.device->detach(1);
}

}  // namespace
}  // namespace zonebridge::virtio_blk
