#include "virtio/dirty_log.h"

#include <set>

#include <gtest/gtest.h>

#include "tests/unit/virtio/ring_pair.h"

namespace zonebridge::virtio {
namespace {

class Log : public testing::Test {
  protected:
    Log() {
        EXPECT_TRUE(bits_.add(0, 0x1000, 0x2000));
        auto log = DirtyLog::map(bits_.regions()[0].fd, 0x2000, 0x1000);
        EXPECT_TRUE(log) << log.error();
        log_ = *log;
    }

    /// The marked pages; clears their marks.
    [[nodiscard]] std::set<std::uint64_t> pages() {
        std::set<std::uint64_t> marked;
        for (std::uint64_t i = 0; i < 0x1000 * 8; ++i)
            if ((bits_.regions()[0].host[i / 8] & std::byte(1 << i % 8)) != std::byte{0})
                marked.insert(i);
        std::memset(bits_.regions()[0].host, 0, 0x1000);
        return marked;
    }

    driver::SharedMemory bits_;
    std::shared_ptr<const DirtyLog> log_;
};

TEST_F(Log, MarksEveryPageARangeTouches) {
    log_->mark(0x5000, 1);
    EXPECT_EQ(pages(), (std::set<std::uint64_t>{5}));
    log_->mark(0x5fff, 2);
    EXPECT_EQ(pages(), (std::set<std::uint64_t>{5, 6}));
    log_->mark(0x7000, 0x2000);
    EXPECT_EQ(pages(), (std::set<std::uint64_t>{7, 8}));
    log_->mark(0x7000, 0);
    EXPECT_TRUE(pages().empty());
}

TEST_F(Log, NeverMarksBeyondItsEnd) {
    log_->mark(0x7fff000, 0x10000);  // the last page, and 15 beyond
    EXPECT_EQ(pages(), (std::set<std::uint64_t>{0x7fff}));
    log_->mark(~0ull, 10);
    log_->mark(0x8000000, 1);
    EXPECT_TRUE(pages().empty());
    EXPECT_TRUE(log_->covers(0));
    EXPECT_TRUE(log_->covers(0x8000000));
    EXPECT_FALSE(log_->covers(0x8000001));
}

TEST_F(Log, ARingMarksThePagesItWrites) {
    RingPair pair({.size = 8, .event_index = true});
    // An address other than the ring's own; the ring crosses a page boundary there.
    const std::uint64_t used_ring = 0x123'4ffe;
    pair.queue->set_log(log_.get(), used_ring);
    (void)pair.shared.allocate(4096, 4096);
    const auto out = pair.shared.allocate(4096, 4096);
    const auto in = pair.shared.allocate(8192, 4096);
    const driver::Buffer chain[] = {driver::to_device(out), driver::from_device(in)};
    ASSERT_TRUE(pair.ring->add(chain));
    (void)pair.ring->publish();
    ASSERT_EQ(pair.pop(), PopResult::chain);
    EXPECT_TRUE(pages().empty()) << "taking a chain writes nothing";
    pair.queue->push(pair.chain, 8192);
    const auto page = in.address / 4096;
    EXPECT_EQ(pages(), (std::set<std::uint64_t>{page, page + 1, 0x1235}));
    (void)pair.queue->publish();
    EXPECT_EQ(pages(), (std::set<std::uint64_t>{0x1235}))
        << "the used index, 2 bytes behind the ring's start";
    (void)pair.queue->enable_kicks();
    EXPECT_EQ(pages(), (std::set<std::uint64_t>{0x1235}));

    pair.queue->set_log(nullptr, std::nullopt);
    ASSERT_TRUE(pair.ring->add(chain));
    (void)pair.ring->publish();
    pair.serve(1);
    (void)pair.queue->publish();
    EXPECT_TRUE(pages().empty());
}

}  // namespace
}  // namespace zonebridge::virtio
