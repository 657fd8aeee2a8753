// The slots, and the iovec pieces for long chains, that a device keeps for a queue.
#include "virtio/slots.h"

#include <array>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/virtio/ring_pair.h"

namespace zonebridge::virtio {
namespace {

struct Slot {
    Chain chain;
    std::span<iovec> storage;
};

TEST(Slots, MoreChainsInFlightThanDescriptorsBreakTheRing) {
    RingPair pair({.size = 16});
    Slots<Slot> slots(pair.queue->size());
    const auto block = pair.shared.allocate(8, 1);
    for (int i = 0; i < 16; ++i) ASSERT_TRUE(pair.ring->add(std::array{driver::to_device(block)}));
    (void)pair.ring->publish();
    std::vector<Slot*> taken;
    while (auto* const slot = slots.pop(*pair.queue)) taken.push_back(slot);
    ASSERT_EQ(taken.size(), 16U);
    EXPECT_FALSE(pair.queue->fault()) << "a full ring is no fault";

    pair.ring->make_available(taken.front()->chain.head);
    EXPECT_EQ(slots.pop(*pair.queue), nullptr);
    ASSERT_TRUE(pair.queue->fault());
    EXPECT_EQ(pair.queue->fault()->error, RingError::too_many_in_flight);
    EXPECT_FALSE(pair.queue->enable_kicks());
    EXPECT_EQ(slots.in_use(), 16U);

    for (auto* const slot : taken) {
        pair.queue->push(slot->chain, 0);
        slots.give_back(*slot);
    }
    EXPECT_EQ(slots.pop(*pair.queue), nullptr) << "the queue stays broken";
}

TEST(Slots, ReusingAChainBeforeItsCompletionIsPublishedBreaksTheRing) {
    RingPair pair({.size = 16});
    Slots<Slot> slots(pair.queue->size());
    const auto block = pair.shared.allocate(8, 1);
    for (int i = 0; i < 16; ++i) ASSERT_TRUE(pair.ring->add(std::array{driver::to_device(block)}));
    (void)pair.ring->publish();
    // Completed at once, as invalid requests are; the driver cannot see the completions yet.
    std::uint16_t head = 0;
    for (int i = 0; i < 16; ++i) {
        auto* const slot = slots.pop(*pair.queue);
        ASSERT_NE(slot, nullptr);
        head = slot->chain.head;
        pair.queue->push(slot->chain, 0);
        slots.give_back(*slot);
    }
    pair.ring->make_available(head);
    EXPECT_EQ(slots.pop(*pair.queue), nullptr);
    ASSERT_TRUE(pair.queue->fault());
    EXPECT_EQ(pair.queue->fault()->error, RingError::too_many_in_flight);
}

TEST(Slots, AFullRingCanBeFilledAgainOnceCompletionsArePublished) {
    RingPair pair({.size = 16});
    Slots<Slot> slots(pair.queue->size());
    const auto block = pair.shared.allocate(8, 1);
    for (int round = 0; round < 3; ++round) {
        for (int i = 0; i < 16; ++i)
            ASSERT_TRUE(pair.ring->add(std::array{driver::to_device(block)}));
        (void)pair.ring->publish();
        for (int i = 0; i < 16; ++i) {
            auto* const slot = slots.pop(*pair.queue);
            ASSERT_NE(slot, nullptr);
            pair.queue->push(slot->chain, 0);
            slots.give_back(*slot);
        }
        (void)pair.queue->publish();
        while (pair.ring->take_used()) continue;
    }
    EXPECT_FALSE(pair.queue->fault());
}

/// A ring and its slots; a chain has `count` adjacent buffers of 8 bytes each.
class LongChains : public testing::Test {
  protected:
    explicit LongChains(driver::RingOptions options = {.size = 64, .indirect_entries = 1200})
        : pair_(options), slots_(options.size) {}

    std::uint16_t add(std::size_t count, const driver::Block& block) {
        std::vector<driver::Buffer> chain;
        for (std::size_t i = 0; i < count; ++i) chain.push_back({block.address + i * 8, 8, i != 0});
        const auto head = pair_.ring->add(chain);
        if (!head) throw std::runtime_error("the ring is full");
        (void)pair_.ring->publish();
        return *head;
    }
    std::uint16_t add(std::size_t count) { return add(count, pair_.shared.allocate(count * 8, 8)); }
    void answer(Slot& slot) {
        pair_.queue->push(slot.chain, 0);
        slots_.give_back(slot);
        (void)pair_.queue->publish();
        while (pair_.ring->take_used()) continue;
    }

    RingPair pair_;
    Slots<Slot> slots_;
};

TEST_F(LongChains, OfAnyAllowedLengthAreTakenWhole) {
    for (const std::size_t count : {1, 2, 35, 36, 37, 264, 265, 300, 513, 1023, 1024}) {
        const auto block = pair_.shared.allocate(count * 8, 8);
        (void)add(count, block);
        auto* const slot = slots_.pop(*pair_.queue);
        ASSERT_NE(slot, nullptr) << count;
        EXPECT_EQ(slot->chain.readable.size(), 1U);
        ASSERT_EQ(slot->chain.writable.size(), count - 1);
        for (std::size_t i = 1; i < count; ++i)
            ASSERT_EQ(slot->chain.writable[i - 1].iov_base,
                      pair_.memory->translate_user(
                          reinterpret_cast<std::uintptr_t>(block.host + i * 8), 8))
                << count << ", " << i;
        answer(*slot);
    }
    EXPECT_EQ(slots_.in_use(), 0U);
}

TEST_F(LongChains, BeyondTheMaximumLengthAreCut) {
    for (const std::size_t count : {std::size_t{1089}, std::size_t{1200}}) {
        const auto block = pair_.shared.allocate(count * 8, 8);
        (void)add(count, block);
        auto* const slot = slots_.pop(*pair_.queue);
        ASSERT_NE(slot, nullptr);
        EXPECT_TRUE(slot->chain.cut);
        EXPECT_EQ(slot->chain.readable_length, 8U);
        ASSERT_EQ(slot->chain.writable.size(), most_pieces - 1);
        EXPECT_EQ(slot->chain.writable_length, 8 * (most_pieces - 1));
        const auto host = [&](std::size_t i) {
            return pair_.memory->translate_user(
                reinterpret_cast<std::uintptr_t>(block.host + i * 8), 8);
        };
        EXPECT_EQ(slot->chain.writable.front().iov_base, host(1));
        EXPECT_EQ(slot->chain.writable.back().iov_base, host(count - 1)) << "the status is there";
        answer(*slot);
    }
    (void)add(1088);
    auto* const whole = slots_.pop(*pair_.queue);
    ASSERT_NE(whole, nullptr);
    EXPECT_FALSE(whole->chain.cut);
}

TEST_F(LongChains, OfReadableBuffersAreCutBeforeTheWritableOne) {
    const auto block = pair_.shared.allocate(1200 * 8, 8);
    for (const bool crossing : {false, true}) {
        std::vector<driver::Buffer> chain;
        for (std::size_t i = 0; i < 1199; ++i) chain.push_back({block.address + i * 8, 8, false});
        // A status in two regions has two pieces.
        const auto status = crossing ? first_address + region_size - 4 : block.address + 1199 * 8;
        chain.push_back({status, 8, true});
        ASSERT_TRUE(pair_.ring->add(chain));
        (void)pair_.ring->publish();
        auto* const slot = slots_.pop(*pair_.queue);
        ASSERT_NE(slot, nullptr);
        EXPECT_TRUE(slot->chain.cut);
        EXPECT_GE(slot->chain.readable.size(), most_pieces - 2);
        EXPECT_EQ(slot->chain.writable.size(), crossing ? 2U : 1U);
        EXPECT_EQ(slot->chain.writable_length, 8U);
        answer(*slot);
    }
}

TEST_F(LongChains, ThatAreCutKeepTheLastByteOfABufferInTwoRegions) {
    const auto block = pair_.shared.allocate(1200 * 8, 8);
    std::vector<driver::Buffer> chain;
    for (std::size_t i = 0; i < 1199; ++i) chain.push_back({block.address + i * 8, 8, i != 0});
    chain.push_back({first_address + region_size - 4, 8, true});
    ASSERT_TRUE(pair_.ring->add(chain));
    (void)pair_.ring->publish();
    auto* const slot = slots_.pop(*pair_.queue);
    ASSERT_NE(slot, nullptr);
    EXPECT_TRUE(slot->chain.cut);
    EXPECT_EQ(slot->chain.writable.back().iov_len, 1U);
    answer(*slot);
}

TEST_F(LongChains, ThatAreCutKeepTheirFirstAndTheirLastWritableBuffer) {
    const auto block = pair_.shared.allocate(1300 * 8, 8);
    const auto host = [&](std::size_t i) {
        return pair_.memory->translate_user(reinterpret_cast<std::uintptr_t>(block.host + i * 8),
                                            8);
    };
    for (std::size_t readable = most_pieces - 3; readable < most_pieces + 3; ++readable) {
        for (std::size_t writable = 2; writable < 6; ++writable) {
            if (readable + writable <= most_pieces) continue;
            std::vector<driver::Buffer> chain;
            for (std::size_t i = 0; i < readable + writable; ++i)
                chain.push_back({block.address + i * 8, 8, i >= readable});
            ASSERT_TRUE(pair_.ring->add(chain));
            (void)pair_.ring->publish();
            auto* const slot = slots_.pop(*pair_.queue);
            ASSERT_NE(slot, nullptr);
            EXPECT_TRUE(slot->chain.cut);
            EXPECT_EQ(slot->chain.readable.front().iov_base, host(0));
            ASSERT_GE(slot->chain.writable.size(), 2U) << readable << " + " << writable;
            EXPECT_EQ(slot->chain.writable.front().iov_base, host(readable))
                << readable << " + " << writable;
            EXPECT_EQ(slot->chain.writable.back().iov_base, host(readable + writable - 1))
                << readable << " + " << writable;
            answer(*slot);
        }
    }
}

TEST_F(LongChains, ThatAreCutAreStillCheckedToTheirEnd) {
    const auto block = pair_.shared.allocate(1200 * 8, 8);
    std::vector<driver::Buffer> chain;
    for (std::size_t i = 0; i < 1199; ++i) chain.push_back({block.address + i * 8, 8, true});
    chain.push_back({first_address + 100 * region_size, 8, true});
    ASSERT_TRUE(pair_.ring->add(chain));
    (void)pair_.ring->publish();
    EXPECT_EQ(slots_.pop(*pair_.queue), nullptr);
    ASSERT_TRUE(pair_.queue->fault());
    EXPECT_EQ(pair_.queue->fault()->error, RingError::bad_address);
}

TEST_F(LongChains, MayHaveBuffersThatCrossRegions) {
    // Each buffer lies half in the first region and half in the second.
    for (const std::size_t count : {18U, 19U, 32U, 500U}) {
        std::vector<driver::Buffer> chain(count, {first_address + region_size - 4, 8, true});
        ASSERT_TRUE(pair_.ring->add(chain));
        (void)pair_.ring->publish();
        auto* const slot = slots_.pop(*pair_.queue);
        ASSERT_NE(slot, nullptr) << count
                                 << (pair_.queue->fault() ? to_string(*pair_.queue->fault()) : "");
        EXPECT_EQ(slot->chain.writable.size(), 2 * count);
        EXPECT_EQ(slot->chain.writable_length, 8 * count);
        answer(*slot);
    }
}

TEST_F(LongChains, MayHaveAThousandBuffersAndSomeThatCrossRegions) {
    const auto block = pair_.shared.allocate(1000 * 8, 8);
    std::vector<driver::Buffer> chain;
    for (std::size_t i = 0; i < 1000; ++i) chain.push_back({block.address + i * 8, 8, true});
    chain.resize(1024, {first_address + region_size - 4, 8, true});
    ASSERT_TRUE(pair_.ring->add(chain));
    (void)pair_.ring->publish();
    auto* const slot = slots_.pop(*pair_.queue);
    ASSERT_NE(slot, nullptr);
    EXPECT_EQ(slot->chain.writable.size(), 1000U + 2 * 24);
    answer(*slot);
}

TEST_F(LongChains, OutsideTheGuestsMemoryBreakTheRing) {
    std::vector<driver::Buffer> chain(40, {first_address + 2 * region_size - 4, 8, true});
    ASSERT_TRUE(pair_.ring->add(chain));
    (void)pair_.ring->publish();
    EXPECT_EQ(slots_.pop(*pair_.queue), nullptr);
    ASSERT_TRUE(pair_.queue->fault());
    EXPECT_EQ(pair_.queue->fault()->error, RingError::bad_address);
}

TEST_F(LongChains, WaitInTheRingUntilPiecesAreReturned) {
    const auto block = pair_.shared.allocate(1024 * 8, 8);
    for (int i = 0; i < 64; ++i) (void)add(1024, block);
    std::vector<Slot*> taken;
    std::size_t answered = 0;
    while (answered != 64) {
        while (auto* const slot = slots_.pop(*pair_.queue)) {
            EXPECT_EQ(slot->chain.readable.size() + slot->chain.writable.size(), 1024U);
            taken.push_back(slot);
        }
        ASSERT_FALSE(pair_.queue->fault()) << to_string(*pair_.queue->fault());
        ASSERT_FALSE(taken.empty()) << "a chain is always taken if none is in flight";
        EXPECT_EQ(slots_.waits(), answered + taken.size() != 64);
        EXPECT_EQ(pair_.queue->has_work(), slots_.waits());
        EXPECT_EQ(pair_.queue->available(), 64U);
        // Chains complete in reverse order.
        answer(*taken.back());
        taken.pop_back();
        EXPECT_FALSE(slots_.waits());
        ++answered;
        if (answered % 7 != 0) continue;
        for (auto* const slot : taken) answer(*slot);
        answered += taken.size();
        taken.clear();
    }
    EXPECT_EQ(slots_.in_use(), 0U);
}

TEST_F(LongChains, ThatWaitAreNotOvertaken) {
    const auto block = pair_.shared.allocate(1024 * 8, 8);
    std::vector<Slot*> taken;
    for (int i = 0; i < 40; ++i) (void)add(1024, block);
    const auto last = add(1);
    while (auto* const slot = slots_.pop(*pair_.queue)) taken.push_back(slot);
    ASSERT_TRUE(slots_.waits());
    for (std::size_t i = 0; i < taken.size(); ++i) {
        answer(*taken[i]);
        while (auto* const slot = slots_.pop(*pair_.queue)) taken.push_back(slot);
    }
    ASSERT_EQ(taken.size(), 41U);
    EXPECT_EQ(taken.back()->chain.head, last);
}

}  // namespace
}  // namespace zonebridge::virtio
