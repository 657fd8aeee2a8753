// The slots and pieces that a device keeps for the chains of a queue.
#include "virtio/slots.h"

#include <array>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/virtio/ring_pair.h"

namespace zonebridge::virtio {
namespace {

struct Slot {
    Chain chain;
    std::span<iovec> storage;
};

TEST(Slots, AChainMoreThanTheRingHasDescriptorsBreaksTheRing) {
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
    EXPECT_EQ(slots.pop(*pair.queue), nullptr) << "it stays broken";
}

TEST(Slots, AChainInPlaceOfOneWhoseAnswerWasNotPublishedBreaksTheRing) {
    RingPair pair({.size = 16});
    Slots<Slot> slots(pair.queue->size());
    const auto block = pair.shared.allocate(8, 1);
    for (int i = 0; i < 16; ++i) ASSERT_TRUE(pair.ring->add(std::array{driver::to_device(block)}));
    (void)pair.ring->publish();
    // Answered at once, as much of what makes no sense is: the driver can't know it yet.
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

TEST(Slots, AFullRingIsFilledAgainOnceItsAnswersArePublished) {
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

}  // namespace
}  // namespace zonebridge::virtio
