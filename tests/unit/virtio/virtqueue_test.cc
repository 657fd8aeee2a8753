#include "virtio/virtqueue.h"

#include <list>
#include <random>

#include <gtest/gtest.h>

#include "base/iovec.h"
#include "tests/unit/virtio/ring_pair.h"

namespace zonebridge::virtio {
namespace {

using driver::Buffer;
using driver::from_device;
using driver::to_device;

/// Every combination of features must carry the same requests.
class VirtQueueFeatures : public testing::TestWithParam<driver::RingOptions> {};

std::vector<driver::RingOptions> all_features() {
    std::vector<driver::RingOptions> all;
    for (const bool event_index : {false, true})
        for (const std::uint16_t indirect : {0, 8})
            for (const std::uint16_t first : {0, 65'530})
                all.push_back({.size = 8,
                               .event_index = event_index,
                               .indirect_entries = indirect,
                               .first_index = first});
    return all;
}

INSTANTIATE_TEST_SUITE_P(All, VirtQueueFeatures, testing::ValuesIn(all_features()));

TEST_P(VirtQueueFeatures, CarriesAChainThereAndBack) {
    RingPair pair(GetParam());
    EXPECT_EQ(pair.pop(), PopResult::empty);
    EXPECT_FALSE(pair.queue->enable_kicks());
    const auto in = pair.shared.allocate(7);
    const Buffer chain[] = {to_device(block_of(pair.shared, "hello ")),
                            to_device(block_of(pair.shared, "world")), from_device(in)};
    const auto head = pair.ring->add(chain);
    ASSERT_TRUE(head);
    EXPECT_EQ(pair.pop(), PopResult::empty) << "not published";
    EXPECT_TRUE(pair.ring->publish()) << "a kick was asked for";

    ASSERT_EQ(pair.pop(), PopResult::chain);
    EXPECT_EQ(pair.chain.head, *head);
    EXPECT_EQ(text_of(pair.chain.readable), "hello world");
    EXPECT_EQ(pair.chain.readable_length, 11u);
    EXPECT_EQ(pair.chain.writable_length, 7u);
    EXPECT_EQ(pair.queue->in_flight(), 1);
    EXPECT_EQ(pair.pop(), PopResult::empty);

    const std::string answer = "goodbye";
    EXPECT_EQ(
        copy_to(pair.chain.writable, 0,
                std::span(reinterpret_cast<const std::uint8_t*>(answer.data()), answer.size())),
        7u);
    pair.queue->push(pair.chain, 7);
    EXPECT_FALSE(pair.ring->take_used()) << "only staged";
    EXPECT_TRUE(pair.queue->publish());
    const auto used = pair.ring->take_used();
    ASSERT_TRUE(used);
    EXPECT_EQ(used->head, *head);
    EXPECT_EQ(used->length, 7u);
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(in.host), 7), "goodbye");
    EXPECT_EQ(pair.queue->in_flight(), 0);
    EXPECT_EQ(pair.queue->base(), static_cast<std::uint16_t>(GetParam().first_index + 1));
    EXPECT_FALSE(pair.queue->publish()) << "there is nothing more to publish";
}

TEST_P(VirtQueueFeatures, GoesRoundManyTimesInAnyOrder) {
    RingPair pair(GetParam());
    std::mt19937 random(7);
    struct Held {
        Chain chain;
        std::array<iovec, 16> storage;
    };
    std::list<Held> held;  // a list, because each chain refers to its storage
    std::vector<std::uint32_t> answers(pair.ring->size());
    std::vector<std::size_t> lengths(pair.ring->size());
    const std::string content(64, 'c');
    const auto block = block_of(pair.shared, content);
    std::uint32_t sent = 0;
    std::uint32_t done = 0;
    std::vector<bool> out(pair.ring->size());
    while (done < 70'000) {  // beyond the wrap of a 16-bit index
        const Buffer chain[] = {to_device(block), from_device(block)};
        while (sent < 70'000 && random() % 4 != 0) {
            const auto length = random() % 2 + 1;
            const auto head = pair.ring->add(std::span(chain).first(length));
            if (!head) break;
            ASSERT_FALSE(out[*head]);
            out[*head] = true;
            lengths[*head] = length;
            ++sent;
        }
        (void)pair.ring->publish();
        while (random() % 4 != 0) {
            auto& [chain, storage] = held.emplace_back();
            const auto result = pair.queue->pop(storage, chain);
            if (result == PopResult::empty) {
                held.pop_back();
                break;
            }
            ASSERT_FALSE(pair.queue->fault()) << to_string(*pair.queue->fault());
            ASSERT_EQ(result, PopResult::chain);
        }
        while (!held.empty() && random() % 4 != 0) {
            const auto one =
                std::next(held.begin(), static_cast<std::ptrdiff_t>(random() % held.size()));
            const auto& popped = one->chain;
            ASSERT_EQ(text_of(popped.readable), content);
            ASSERT_EQ(popped.writable.size(), lengths[popped.head] - 1);
            answers[popped.head] = static_cast<std::uint32_t>(random());
            pair.queue->push(popped, answers[popped.head]);
            held.erase(one);
        }
        (void)pair.queue->publish();
        while (const auto used = pair.ring->take_used()) {
            ASSERT_TRUE(out[used->head]);
            out[used->head] = false;
            EXPECT_EQ(used->length, answers[used->head]);
            ++done;
        }
    }
    EXPECT_EQ(pair.queue->in_flight(), 0);
}

TEST(VirtQueue, ABufferThatCrossesTwoRegionsIsTwoPieces) {
    RingPair pair;
    const std::uint64_t border = first_address + region_size;
    std::memcpy(pair.shared.at(border - 3), "abc", 3);
    std::memcpy(pair.shared.at(border), "def", 3);
    const Buffer buffer{border - 3, 6, false};
    ASSERT_TRUE(pair.ring->add(std::span(&buffer, 1)));
    (void)pair.ring->publish();
    ASSERT_EQ(pair.pop(), PopResult::chain);
    EXPECT_EQ(pair.chain.readable.size(), 2u);
    EXPECT_EQ(text_of(pair.chain.readable), "abcdef");
}

TEST(VirtQueue, AnIndirectTableMayCrossTwoRegions) {
    RingPair pair({.size = 4, .indirect_entries = 4});
    const auto text = block_of(pair.shared, "xy");
    // The boundary of the regions lies within an entry.
    const std::uint64_t table = first_address + region_size - 8;
    const auto entry = [&](std::uint64_t at, std::uint64_t address, std::uint16_t flags,
                           std::uint16_t next) {
        std::byte bytes[16];
        const std::uint32_t length = 1;
        std::memcpy(bytes, &address, 8);
        std::memcpy(bytes + 8, &length, 4);
        std::memcpy(bytes + 12, &flags, 2);
        std::memcpy(bytes + 14, &next, 2);
        for (int i = 0; i < 16; ++i) *pair.shared.at(at + static_cast<std::uint64_t>(i)) = bytes[i];
    };
    entry(table, text.address, 1, 1);
    entry(table + 16, text.address + 1, 0, 0);
    pair.ring->write_descriptor(0, table, 32, 4, 0);
    pair.ring->make_available(0);
    ASSERT_EQ(pair.pop(), PopResult::chain) << to_string(*pair.queue->fault());
    EXPECT_EQ(text_of(pair.chain.readable), "xy");
}

TEST(VirtQueue, DirectDescriptorsMayLeadToAnIndirectTable) {
    RingPair pair({.size = 4, .indirect_entries = 4});
    const auto text = block_of(pair.shared, "abc");
    const auto table = pair.shared.allocate(32);
    const std::uint64_t address = text.address + 1;
    const std::uint32_t length = 2;
    std::memcpy(table.host, &address, 8);
    std::memcpy(table.host + 8, &length, 4);
    pair.ring->write_descriptor(2, text.address, 1, 1, 3);
    pair.ring->write_descriptor(3, table.address, 16, 4 | 2, 0);  // its write flag is ignored
    pair.ring->make_available(2);
    ASSERT_EQ(pair.pop(), PopResult::chain);
    EXPECT_EQ(text_of(pair.chain.readable), "abc");
    EXPECT_EQ(pair.chain.writable_length, 0u);
}

TEST(VirtQueue, EmptyBuffersAreSkipped) {
    RingPair pair;
    const auto text = block_of(pair.shared, "ab");
    const Buffer chain[] = {{0xdead'0000'0000, 0, false}, to_device(text), {1, 0, true}};
    ASSERT_TRUE(pair.ring->add(chain));
    (void)pair.ring->publish();
    ASSERT_EQ(pair.pop(), PopResult::chain);
    EXPECT_EQ(text_of(pair.chain.readable), "ab");
    EXPECT_TRUE(pair.chain.writable.empty());
}

TEST(VirtQueue, WithoutEventIndexFlagsSuppressKicksAndCalls) {
    RingPair pair({.size = 8});
    const auto block = pair.shared.allocate(16);
    const Buffer buffer = to_device(block);
    const auto add = [&] {
        EXPECT_TRUE(pair.ring->add(std::span(&buffer, 1)));
        return pair.ring->publish();
    };
    EXPECT_TRUE(add());
    pair.queue->disable_kicks();
    EXPECT_FALSE(add());
    pair.ring->disarm();
    pair.serve();
    EXPECT_FALSE(pair.queue->publish());
    EXPECT_TRUE(pair.ring->arm()) << "the completion is there already";
    pair.serve();
    EXPECT_TRUE(pair.queue->publish());
    EXPECT_FALSE(pair.queue->enable_kicks()) << "no chain arrived meanwhile";
    EXPECT_TRUE(add());
    pair.queue->disable_kicks();
    EXPECT_FALSE(add());
    EXPECT_TRUE(pair.queue->enable_kicks()) << "a chain arrived without a kick";
}

TEST(VirtQueue, WithEventIndexOnlyTheFirstChainNeedsAKick) {
    RingPair pair({.size = 8, .event_index = true});
    const auto block = pair.shared.allocate(16);
    const Buffer buffer = to_device(block);
    const auto add = [&] {
        EXPECT_TRUE(pair.ring->add(std::span(&buffer, 1)));
        return pair.ring->publish();
    };
    EXPECT_FALSE(pair.queue->enable_kicks());
    EXPECT_TRUE(add());
    EXPECT_FALSE(add());
    EXPECT_FALSE(add());
    pair.serve();
    pair.serve();
    EXPECT_TRUE(pair.queue->enable_kicks()) << "the third chain is waiting";
    pair.serve();
    EXPECT_FALSE(pair.queue->enable_kicks());
    EXPECT_EQ(pair.ring->available_event(), 3);
    EXPECT_TRUE(add());
}

TEST(VirtQueue, WithEventIndexOnlyTheRequestedCompletionNeedsACall) {
    RingPair pair({.size = 8, .event_index = true});
    const auto block = pair.shared.allocate(16);
    const Buffer buffer = to_device(block);
    for (int i = 0; i < 8; ++i) ASSERT_TRUE(pair.ring->add(std::span(&buffer, 1)));
    (void)pair.ring->publish();
    pair.serve();
    EXPECT_TRUE(pair.queue->publish()) << "the first call is never suppressed";
    // The driver has not updated its event index, which lies in the past.
    pair.serve();
    EXPECT_FALSE(pair.queue->publish());
    pair.ring->set_used_event(4);  // asks for a call at the fifth completion
    pair.serve();
    pair.serve();
    EXPECT_FALSE(pair.queue->publish());
    pair.serve();
    pair.serve();
    EXPECT_TRUE(pair.queue->publish());
    pair.serve();
    EXPECT_FALSE(pair.queue->publish());
}

TEST(VirtQueue, EventArithmeticWrapsAround) {
    EXPECT_TRUE(event_passed(0, 1, 0));
    EXPECT_FALSE(event_passed(1, 1, 0));
    EXPECT_TRUE(event_passed(65'535, 0, 65'535));
    EXPECT_TRUE(event_passed(65'535, 5, 65'530));
    EXPECT_TRUE(event_passed(2, 5, 65'530));
    EXPECT_FALSE(event_passed(5, 5, 65'530));
    EXPECT_FALSE(event_passed(65'529, 5, 65'530));
}

TEST(VirtQueue, RefusesInvalidRings) {
    RingPair pair;
    const auto good = pair.config();
    EXPECT_TRUE(VirtQueue::check(*pair.memory, good));
    const auto refused = [&](auto change, const char* says) {
        auto config = good;
        change(config);
        const auto made = VirtQueue::create(*pair.memory, config);
        ASSERT_FALSE(made) << says;
        EXPECT_NE(made.error().find(says), std::string::npos) << made.error();
    };
    refused([](auto& c) { c.size = 0; }, "power of two");
    refused([](auto& c) { c.size = 48; }, "power of two");
    refused(
        [](auto& c) {
            c.size = 32'768;
            c.addresses.used += region_size;
        },
        "used ring");
    refused([](auto& c) { c.addresses.descriptors = 0; }, "descriptor table");
    refused([](auto& c) { c.addresses.descriptors = ~0ull; }, "descriptor table");
    refused([](auto& c) { c.addresses.descriptors += 8; }, "aligned");
    refused([](auto& c) { c.addresses.available += 1; }, "aligned");
    refused([](auto& c) { c.addresses.used += 2; }, "aligned");
}

TEST(VirtQueue, GoesOnAfterRebindingToNewMappings) {
    RingPair pair;
    const auto block = block_of(pair.shared, "hi");
    const Buffer buffer = to_device(block);
    ASSERT_TRUE(pair.ring->add(std::span(&buffer, 1)));
    (void)pair.ring->publish();
    const auto fresh = table_of(pair.shared);  // other mappings of the same files
    ASSERT_TRUE(pair.queue->rebind(*fresh));
    ASSERT_EQ(pair.pop(), PopResult::chain);
    EXPECT_EQ(text_of(pair.chain.readable), "hi");
    EXPECT_TRUE(fresh->guest_address(pair.chain.readable[0].iov_base));
    pair.queue->push(pair.chain, 0);
    EXPECT_TRUE(pair.queue->publish());
    EXPECT_TRUE(pair.ring->take_used());
    EXPECT_FALSE(pair.queue->rebind(*GuestMemory::none())) << "the ring must lie in the new table";
}

}  // namespace
}  // namespace zonebridge::virtio
