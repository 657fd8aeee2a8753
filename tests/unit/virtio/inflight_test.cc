#include "virtio/inflight.h"

#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/unit/virtio/ring_pair.h"

namespace zonebridge::virtio {
namespace {

class Inflight : public testing::Test {
  protected:
    static constexpr std::uint16_t size = 8;

    Inflight() {
        auto made = InflightArea::make(2, size);
        EXPECT_TRUE(made) << made.error();
        fd_ = std::move(*made);
        area_ = map();
    }

    [[nodiscard]] std::shared_ptr<const InflightArea> map() const {
        auto mapped = InflightArea::map(fd_.get(), 0, InflightArea::size_for(2, size), 2, size);
        EXPECT_TRUE(mapped) << mapped.error();
        return *mapped;
    }
    /// A queue made from the ring and the record, as the next process would make it.
    [[nodiscard]] VirtQueue successor(RingPair& pair) {
        area_ = map();
        auto queue = VirtQueue::create(*pair.memory, pair.config(area_.get()));
        EXPECT_TRUE(queue) << queue.error();
        return std::move(*queue);
    }
    static void add(RingPair& pair, const std::string& text) {
        const auto buffer = driver::to_device(block_of(pair.shared, text));
        ASSERT_TRUE(pair.ring->add(std::span(&buffer, 1)));
        (void)pair.ring->publish();
    }

    UniqueFd fd_;
    std::shared_ptr<const InflightArea> area_;
    std::array<std::array<iovec, 4>, size> storages_{};
    std::array<Chain, size> chains_;
};

TEST_F(Inflight, AFreshRecordRecoversNothing) {
    RingPair pair({.size = size}, area_.get());
    EXPECT_EQ(pair.queue->recovered(), 0u);
    add(pair, "a");
    pair.serve();
    (void)pair.queue->publish();
    auto next = successor(pair);
    EXPECT_EQ(next.recovered(), 0u);
}

TEST_F(Inflight, TakenChainsWithoutACompletionAreRecoveredInOrder) {
    RingPair pair({.size = size, .first_index = 65'533}, area_.get());
    for (const char* text : {"a", "b", "c", "d", "e"}) add(pair, text);
    for (int i = 0; i < 4; ++i)
        ASSERT_EQ(pair.queue->pop(storages_[i], chains_[i]), PopResult::chain);
    pair.queue->push(chains_[2], 0);
    pair.queue->push(chains_[0], 0);
    (void)pair.queue->publish();

    auto next = successor(pair);
    ASSERT_EQ(next.recovered(), 2u);
    EXPECT_EQ(next.base(), pair.queue->base()) << "new chains follow the recovered ones";
    Chain chain;
    std::array<iovec, 4> storage{};
    ASSERT_EQ(next.pop_recovered(storage, chain), PopResult::chain);
    EXPECT_EQ(text_of(chain.readable), "b");
    next.push(chain, 0);
    ASSERT_EQ(next.pop_recovered(storage, chain), PopResult::chain);
    EXPECT_EQ(text_of(chain.readable), "d");
    next.push(chain, 0);
    EXPECT_EQ(next.pop_recovered(storage, chain), PopResult::empty);
    ASSERT_EQ(next.pop(storage, chain), PopResult::chain);
    EXPECT_EQ(text_of(chain.readable), "e");
    next.push(chain, 0);
    (void)next.publish();
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(pair.ring->take_used()) << i;
    EXPECT_FALSE(pair.ring->take_used());
    EXPECT_EQ(successor(pair).recovered(), 0u);
}

TEST_F(Inflight, ACrashBetweenPublishingAndClearingIsRepaired) {
    RingPair pair({.size = size}, area_.get());
    for (const char* text : {"a", "b", "c"}) add(pair, text);
    for (int i = 0; i < 3; ++i)
        ASSERT_EQ(pair.queue->pop(storages_[i], chains_[i]), PopResult::chain);
    // The steps of push and publish until the used index is written, and none after it.
    auto record = area_->queue(0);
    record.stage(chains_[0].head);
    record.stage(chains_[2].head);
    const std::uint16_t two = 2;
    std::memcpy(pair.ring->used().host + 2, &two, sizeof two);

    auto next = successor(pair);
    ASSERT_EQ(next.recovered(), 1u);
    Chain chain;
    std::array<iovec, 4> storage{};
    ASSERT_EQ(next.pop_recovered(storage, chain), PopResult::chain);
    EXPECT_EQ(text_of(chain.readable), "b");
}

TEST_F(Inflight, StagedCompletionsThatWereNotPublishedAreStillInFlight) {
    RingPair pair({.size = size}, area_.get());
    add(pair, "a");
    pair.serve();  // pushed, never published
    EXPECT_EQ(successor(pair).recovered(), 1u);
}

TEST_F(Inflight, ACorruptRecordNeverLeadsOutsideTheRing) {
    RingPair pair({.size = size});
    const auto bytes = InflightArea::size_for(2, size);
    std::vector<std::byte> noise(bytes);
    for (int round = 0; round < 200; ++round) {
        for (std::size_t i = 0; i < noise.size(); ++i)
            noise[i] = static_cast<std::byte>(i * 31 + static_cast<std::size_t>(round) * 17);
        noise[8] = std::byte{1};  // the version
        noise[9] = std::byte{0};
        ASSERT_EQ(::pwrite(fd_.get(), noise.data(), noise.size(), 0),
                  static_cast<ssize_t>(noise.size()));
        auto next = successor(pair);
        EXPECT_LE(next.recovered(), size);
        Chain chain;
        std::array<iovec, 4> storage{};
        while (next.pop_recovered(storage, chain) == PopResult::chain) next.push(chain, 0);
        (void)next.publish();
    }
}

TEST_F(Inflight, AreasThatCannotHoldTheQueuesAreRefused) {
    const auto bytes = InflightArea::size_for(2, size);
    EXPECT_FALSE(InflightArea::map(fd_.get(), 0, bytes - 1, 2, size));
    EXPECT_FALSE(InflightArea::map(fd_.get(), 0, bytes, 3, size));
    EXPECT_FALSE(InflightArea::map(fd_.get(), 4096, bytes, 2, size))
        << "beyond the end of the file";
    EXPECT_FALSE(InflightArea::map(fd_.get(), 4, bytes - 4, 1, size)) << "unaligned";
    EXPECT_FALSE(InflightArea::map(fd_.get(), 0, bytes, 0, size));
    EXPECT_NE(::ftruncate(fd_.get(), 0), 0) << "the record cannot be truncated";

    RingPair pair({.size = 16});
    EXPECT_FALSE(VirtQueue::create(*pair.memory, pair.config(area_.get()))) << "a larger ring";
}

}  // namespace
}  // namespace zonebridge::virtio
