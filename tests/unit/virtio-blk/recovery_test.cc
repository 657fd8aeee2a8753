// Requests that a server took and did not complete before it died: how the next server recovers
// them.

#include <array>
#include <cstring>
#include <vector>

#include "tests/unit/virtio-blk/lost.h"

namespace zonebridge::virtio_blk {
namespace {

/// A request that the dead server took, and its outcome at the next server.
struct Lost {
    driver::BlkRequest request;
    std::uint8_t status;
    std::size_t submitted;  ///< Number of requests that reach the disk.
};

TEST(BlkRecovery, LostRequestsAreRepeatedOnlyIfThatIsSafe) {
    constexpr std::uint16_t size = 64;
    const auto fd = virtio::InflightArea::make(1, size);
    ASSERT_TRUE(fd) << fd.error();
    const auto area =
        virtio::InflightArea::map(fd->get(), 0, virtio::InflightArea::size_for(1, size), 1, size);
    ASSERT_TRUE(area) << area.error();
    const auto data = pattern(4096);
    const auto at = Bench::sector(zone);
    const Lost lost[] = {
        {{.type = blk::in, .sector = 0, .data_in_length = 4096}, blk::ok, 1},
        {{.type = blk::flush}, blk::ok, 1},
        {{.type = blk::get_id, .data_in_length = 20}, blk::ok, 0},
        {{.type = blk::report, .data_in_length = 4096}, blk::ok, 1},
        {{.type = blk::out, .sector = 8, .data_out = data}, blk::ok, 1},  // conventional
        // The zone's pointer is at the write's offset: a report, then the write.
        {{.type = blk::out, .sector = at, .data_out = data}, blk::ok, 2},
        // The write's data, which are the append's, too: a report and a read.
        {{.type = blk::append, .sector = at, .data_out = data, .tail = 16}, blk::io_error, 2},
        // A report, then the action, unless the zone is as the action leaves it.
        {{.type = blk::open, .sector = at}, blk::ok, 2},
        {{.type = blk::reset, .sector = at}, blk::ok, 2},
        {{.type = blk::reset_all}, blk::ok, 2},
        {{.type = blk::reset, .sector = at}, blk::ok, 1},
        // Refused in every state of the zone: without a look at the zone.
        {{.type = blk::reset, .sector = at + 8}, blk::invalid, 0},
        {{.type = blk::append, .sector = at + 8, .data_out = data, .tail = 16}, blk::invalid, 0},
        {{.type = 99}, blk::unsupported, 0},
    };
    Bench bench;
    virtio::RingPair pair({.size = size}, area->get());
    std::vector<Bench::Queued> queued;
    for (const auto& one : lost) {
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
    bench.device->recover(virtio::Lost::judge);
    bench.turn();
    (void)again->publish();
    std::size_t submitted = 0;
    for (std::size_t i = 0; i < std::size(lost); ++i) {
        EXPECT_TRUE(pair.ring->take_used());
        EXPECT_EQ(Bench::answer_of(queued[i], 0).status, lost[i].status) << i;
        submitted += lost[i].submitted;
    }
    EXPECT_EQ(bench.disk.taken.size(), submitted);
    EXPECT_EQ(bench.disk.machine().active_count(), 0U);
    EXPECT_EQ(bench.device->in_flight(1), 0U);
    bench.device->detach(1);
}

TEST(BlkRecovery, MoreLongChainsThanPiecesAreAllRecovered) {
    constexpr std::uint16_t size = 64;
    const auto fd = virtio::InflightArea::make(1, size);
    ASSERT_TRUE(fd) << fd.error();
    const auto area =
        virtio::InflightArea::map(fd->get(), 0, virtio::InflightArea::size_for(1, size), 1, size);
    ASSERT_TRUE(area) << area.error();
    Bench bench;
    virtio::RingPair pair({.size = size, .indirect_entries = 64}, area->get());
    std::array<iovec, 64> storage{};
    const auto add = [&] {
        const auto out = pair.shared.allocate(16, 1);
        const auto bytes = blk::header(blk::flush, 0);
        std::copy(bytes.begin(), bytes.end(), out.host);
        std::vector<driver::Buffer> chain(60, driver::to_device(out));
        chain.push_back(driver::from_device(pair.shared.allocate(1, 1)));
        EXPECT_TRUE(pair.ring->add(chain));
        (void)pair.ring->publish();
    };
    for (int i = 0; i < size - 1; ++i) {
        add();
        ASSERT_EQ(pair.queue->pop(storage, pair.chain), virtio::PopResult::chain);
    }
    auto again = virtio::VirtQueue::create(*pair.memory, pair.config(area->get()));
    ASSERT_TRUE(again) << again.error();
    bench.disk.hold = true;
    add();  // a new chain behind the recovered ones
    bench.device->attach(1, *again);
    bench.device->recover(virtio::Lost::judge);
    EXPECT_NE(again->recovered(), 0U) << "the test needs more chains than there are pieces for";
    EXPECT_EQ(bench.device->in_flight(1), size - 1U) << "including the chains that wait for pieces";
    EXPECT_FALSE(bench.device->take(1));
    EXPECT_TRUE(bench.device->waits(1));
    bench.disk.hold = false;
    for (int i = 0; i < 8; ++i) bench.turn();
    EXPECT_EQ(again->recovered(), 0U);
    EXPECT_EQ(bench.device->in_flight(1), 0U);
    EXPECT_TRUE(bench.device->take(1));
    for (int i = 0; i < 8; ++i) bench.turn();
    (void)again->publish();
    int answered = 0;
    while (pair.ring->take_used()) ++answered;
    EXPECT_EQ(answered, int{size});
    bench.device->detach(1);
}

TEST(BlkRecovery, LostDiscardsAndWritesOfZeroesAreRepeated) {
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
    bench.device->recover(virtio::Lost::judge);
    bench.turn();
    ASSERT_EQ(bench.disk.taken.size(), 2U);
    EXPECT_EQ(bench.disk.taken[0].operation, Operation::discard);
    EXPECT_EQ(bench.disk.taken[1].operation, Operation::write_zeroes);
    bench.device->detach(1);
}

using BlkLostWrite = BlkLost;

TEST_F(BlkLostWrite, IsNotRepeatedIfItsDataAreOnTheDisk) {
    begin();
    ASSERT_EQ(bench->write(at, data), blk::ok);
    lose(at, data);
    EXPECT_EQ(recover(), Statuses{blk::ok});
    EXPECT_EQ(taken(Operation::write), 0U);
    EXPECT_EQ(taken(Operation::flush), 0U);
}

TEST_F(BlkLostWrite, IsFlushedBeforeItCompletesForADriverWithoutFlushes) {
    begin({.zoned = true, .write_through = true});
    ASSERT_EQ(bench->write(at, data), blk::ok);
    lose(at, data);
    EXPECT_EQ(recover(), Statuses{blk::ok});
    EXPECT_EQ(taken(Operation::write), 0U);
    EXPECT_EQ(taken(Operation::flush), 1U);
}

TEST_F(BlkLostWrite, IsRepeatedIfThePointerIsAtItsStart) {
    begin();
    ASSERT_EQ(bench->write(at, data), blk::ok);
    lose(at + 16, data);
    EXPECT_EQ(recover(), Statuses{blk::ok});
    EXPECT_EQ(taken(Operation::write), 1U);
    EXPECT_EQ(bench->read(at + 16, 8192).data, data);
}

TEST_F(BlkLostWrite, OfWhichOnlyAPartIsOnTheDiskIsContinued) {
    begin();
    ASSERT_EQ(bench->write(at, Bytes(data.begin(), data.begin() + 4096)), blk::ok);
    lose(at, data);
    EXPECT_EQ(recover(), Statuses{blk::ok});
    ASSERT_EQ(taken(Operation::write), 1U);
    EXPECT_EQ(bench->disk.taken.back().length, 4096U);
    EXPECT_EQ(bench->read(at, 8192).data, data);
}

TEST_F(BlkLostWrite, OfWhichAnotherWritesDataHaveThePlaceFails) {
    begin();
    ASSERT_EQ(bench->write(at, pattern(4096, 9)), blk::ok);
    lose(at, data);
    EXPECT_EQ(recover(), Statuses{blk::io_error});
    EXPECT_EQ(taken(Operation::write), 0U);
}

TEST_F(BlkLostWrite, BeyondThePointerFails) {
    begin();
    lose(at + 16, data);
    EXPECT_EQ(recover(), Statuses{blk::io_error});
    EXPECT_EQ(taken(Operation::write), 0U);
}

TEST_F(BlkLostWrite, WhereOtherDataLieFails) {
    begin();
    auto other = data;
    other.back() ^= std::byte{1};
    ASSERT_EQ(bench->write(at, other), blk::ok);
    lose(at, data);
    EXPECT_EQ(recover(), Statuses{blk::io_error});
    EXPECT_EQ(bench->read(at, 8192).data, other);
}

TEST_F(BlkLostWrite, InAZoneThatWasFinishedFails) {
    begin();
    ASSERT_EQ(bench->act(blk::open, at), blk::ok);
    ASSERT_EQ(bench->act(blk::finish, at), blk::ok);
    lose(at, data);
    EXPECT_EQ(recover(), Statuses{blk::io_error});
}

TEST_F(BlkLostWrite, ThatFilledItsZoneIsNotRepeated) {
    begin();
    const auto half = pattern(Bench::zone_sectors * sector_size / 2, 5);
    for (const auto from : {at, at + Bench::zone_sectors / 2})
        for (std::size_t done = 0; done < half.size(); done += 8192)
            ASSERT_EQ(bench->write(from + done / sector_size,
                                   Bytes(half.begin() + static_cast<std::ptrdiff_t>(done),
                                         half.begin() + static_cast<std::ptrdiff_t>(done + 8192))),
                      blk::ok);
    lose(at + Bench::zone_sectors - 16, Bytes(half.end() - 8192, half.end()));
    EXPECT_EQ(recover(), Statuses{blk::ok});
    EXPECT_EQ(taken(Operation::write), 0U);
}

TEST_F(BlkLostWrite, SeveralAreRecoveredOneByOneInTheOrderTheyWereTaken) {
    begin();
    const auto more = pattern(4096, 9);
    ASSERT_EQ(bench->write(at, data), blk::ok);
    lose(at, data);                       // is on the disk
    lose(at + 16, more);                  // is not on the disk
    lose(at + 24, data);                  // follows the one before
    lose(Bench::sector(zone + 1), data);  // another zone
    lose(at + 64, more);                  // leaves a hole behind the pointer
    EXPECT_EQ(recover(), (Statuses{blk::ok, blk::ok, blk::ok, blk::ok, blk::io_error}));
    EXPECT_EQ(taken(Operation::write), 3U);
    EXPECT_EQ(bench->read(at + 16, 4096).data, more);
    EXPECT_EQ(bench->read(at + 24, 8192).data, data);
    EXPECT_EQ(bench->read(Bench::sector(zone + 1), 8192).data, data);
}

TEST_F(BlkLostWrite, IsNotRepeatedOnceNewRequestsWereTaken) {
    begin();
    lose(at, data);
    lose_action(blk::reset, at);
    EXPECT_EQ(recover(virtio::Lost::give_up), (Statuses{blk::io_error, blk::io_error}));
    EXPECT_TRUE(bench->disk.taken.empty());
}

TEST_F(BlkLostWrite, LeavesARingThatWorks) {
    begin();
    lose(at, data);
    EXPECT_EQ(recover(), Statuses{blk::ok});
    lost.clear();
    EXPECT_EQ(bench->write(at + 16, data), blk::ok);
}

}  // namespace
}  // namespace zonebridge::virtio_blk
