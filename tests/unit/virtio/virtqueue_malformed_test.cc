// Malformed rings: each breaks its queue with a specific error, and nothing else.
#include <functional>

#include <gtest/gtest.h>

#include "tests/unit/virtio/ring_pair.h"

namespace zonebridge::virtio {
namespace {

constexpr std::uint16_t next = 1, write = 2, indirect = 4;

struct RingCase {
    const char* name;
    RingError error;
    std::function<void(RingPair&)> build;
    bool negotiate_indirect = true;
};

void put_entry(std::byte* at, std::uint64_t address, std::uint32_t length, std::uint16_t flags,
               std::uint16_t follow) {
    std::memcpy(at, &address, 8);
    std::memcpy(at + 8, &length, 4);
    std::memcpy(at + 12, &flags, 2);
    std::memcpy(at + 14, &follow, 2);
}

constexpr std::uint64_t good = first_address + 0x10000;

std::vector<RingCase> malformed_rings() {
    const auto table_of_entries = [](RingPair& pair, std::uint32_t length, auto fill) {
        const auto table = pair.shared.allocate(256);
        fill(table.host);
        pair.ring->write_descriptor(0, table.address, length, indirect, 0);
        pair.ring->make_available(0);
    };
    return {
        {"IndexFarAhead", RingError::available_index,
         [](RingPair& p) { p.ring->set_available_index(9); }},
        {"IndexBehind", RingError::available_index,
         [](RingPair& p) { p.ring->set_available_index(65'535); }},
        {"HeadOutOfRange", RingError::head_out_of_range,
         [](RingPair& p) { p.ring->make_available(8); }},
        {"HeadFarOutOfRange", RingError::head_out_of_range,
         [](RingPair& p) { p.ring->make_available(65'535); }},
        {"NextOutOfRange", RingError::next_out_of_range,
         [](RingPair& p) {
             p.ring->write_descriptor(0, good, 1, next, 8);
             p.ring->make_available(0);
         }},
        {"LoopOfOne", RingError::loop,
         [](RingPair& p) {
             p.ring->write_descriptor(3, good, 1, next, 3);
             p.ring->make_available(3);
         }},
        {"LoopOfAll", RingError::loop,
         [](RingPair& p) {
             for (std::uint16_t i = 0; i < 8; ++i)
                 p.ring->write_descriptor(i, good, 1, next,
                                          static_cast<std::uint16_t>((i + 1) % 8));
             p.ring->make_available(5);
         }},
        {"LoopOfEmptyBuffers", RingError::loop,
         [](RingPair& p) {
             p.ring->write_descriptor(0, good, 0, next, 1);
             p.ring->write_descriptor(1, good, 0, next, 0);
             p.ring->make_available(0);
         }},
        {"ReadableAfterWritable", RingError::readable_after_writable,
         [](RingPair& p) {
             p.ring->write_descriptor(0, good, 1, next | write, 1);
             p.ring->write_descriptor(1, good, 1, 0, 0);
             p.ring->make_available(0);
         }},
        {"AddressInNoRegion", RingError::bad_address,
         [](RingPair& p) {
             p.ring->write_descriptor(0, 0, 1, 0, 0);
             p.ring->make_available(0);
         }},
        {"AddressBehindTheLastByte", RingError::bad_address,
         [](RingPair& p) {
             p.ring->write_descriptor(0, first_address + 2 * region_size - 1, 2, write, 0);
             p.ring->make_available(0);
         }},
        {"AddressOverflows", RingError::bad_address,
         [](RingPair& p) {
             p.ring->write_descriptor(0, ~0ull - 1, 0xffffffff, 0, 0);
             p.ring->make_available(0);
         }},
        {"IndirectNotNegotiated", RingError::indirect_unsupported,
         [](RingPair& p) {
             p.ring->write_descriptor(0, good, 16, indirect, 0);
             p.ring->make_available(0);
         },
         false},
        {"IndirectWithNext", RingError::indirect_with_next,
         [](RingPair& p) {
             p.ring->write_descriptor(0, good, 16, indirect | next, 1);
             p.ring->make_available(0);
         }},
        {"IndirectEmpty", RingError::indirect_size,
         [](RingPair& p) {
             p.ring->write_descriptor(0, good, 0, indirect, 0);
             p.ring->make_available(0);
         }},
        {"IndirectRagged", RingError::indirect_size,
         [](RingPair& p) {
             p.ring->write_descriptor(0, good, 40, indirect, 0);
             p.ring->make_available(0);
         }},
        {"IndirectHuge", RingError::indirect_size,
         [](RingPair& p) {
             p.ring->write_descriptor(0, good, 0xfffffff0, indirect, 0);
             p.ring->make_available(0);
         }},
        {"IndirectTableInNoRegion", RingError::bad_address,
         [](RingPair& p) {
             p.ring->write_descriptor(0, 0x10, 16, indirect, 0);
             p.ring->make_available(0);
         }},
        {"IndirectTableRunsOut", RingError::bad_address,
         [](RingPair& p) {
             const std::uint64_t at = first_address + 2 * region_size - 16;
             put_entry(p.shared.at(at), good, 1, next, 1);
             p.ring->write_descriptor(0, at, 32, indirect, 0);
             p.ring->make_available(0);
         }},
        {"IndirectNested", RingError::indirect_nested,
         [=](RingPair& p) {
             table_of_entries(p, 16, [](std::byte* t) { put_entry(t, good, 16, indirect, 0); });
         }},
        {"IndirectNextOutOfRange", RingError::next_out_of_range,
         [=](RingPair& p) {
             table_of_entries(p, 32, [](std::byte* t) { put_entry(t, good, 1, next, 2); });
         }},
        {"IndirectLoop", RingError::loop,
         [=](RingPair& p) {
             table_of_entries(p, 32, [](std::byte* t) {
                 put_entry(t, good, 1, next, 1);
                 put_entry(t + 16, good, 1, next, 0);
             });
         }},
        {"IndirectLoopOfEmptyBuffers", RingError::loop,
         [](RingPair& p) {
             const auto table = p.shared.allocate(16 * 4096);
             for (std::uint16_t i = 0; i < 4096; ++i)
                 put_entry(table.host + 16 * i, good, 0, next,
                           static_cast<std::uint16_t>((i + 1) % 4096));
             p.ring->write_descriptor(0, table.address, 16 * 4096, indirect, 0);
             p.ring->make_available(0);
         }},
    };
}

class MalformedRing : public testing::TestWithParam<RingCase> {};

INSTANTIATE_TEST_SUITE_P(All, MalformedRing, testing::ValuesIn(malformed_rings()),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_P(MalformedRing, BreaksTheQueueWithItsError) {
    RingPair pair(
        {.size = 8,
         .indirect_entries = static_cast<std::uint16_t>(GetParam().negotiate_indirect ? 4 : 0)});
    GetParam().build(pair);
    EXPECT_EQ(pair.pop(), PopResult::broken);
    ASSERT_TRUE(pair.queue->fault());
    EXPECT_EQ(pair.queue->fault()->error, GetParam().error) << to_string(*pair.queue->fault());
    EXPECT_FALSE(to_string(*pair.queue->fault()).empty());
    EXPECT_EQ(pair.queue->base(), 0);
    EXPECT_EQ(pair.queue->in_flight(), 0);
    // Nothing that the driver does afterwards repairs the queue.
    pair.ring->set_available_index(1);
    EXPECT_EQ(pair.pop(), PopResult::broken);
    EXPECT_FALSE(pair.queue->has_work());
    EXPECT_FALSE(pair.queue->enable_kicks());
}

TEST(MalformedRings, ChainsBeforeTheMalformedOneAreServed) {
    RingPair pair({.size = 8});
    const auto block = block_of(pair.shared, "ok");
    const auto buffer = driver::to_device(block);
    ASSERT_TRUE(pair.ring->add(std::span(&buffer, 1)));
    ASSERT_TRUE(pair.ring->add(std::span(&buffer, 1)));
    (void)pair.ring->publish();
    pair.ring->make_available(77);
    pair.serve();
    pair.serve();
    EXPECT_EQ(pair.pop(), PopResult::broken);
    (void)pair.queue->publish();
    EXPECT_TRUE(pair.ring->take_used());
    EXPECT_TRUE(pair.ring->take_used());
    EXPECT_FALSE(pair.ring->take_used());
}

TEST(MalformedRings, MoreChainsInFlightThanDescriptorsBreakTheQueue) {
    RingPair pair({.size = 4});
    const auto block = block_of(pair.shared, "x");
    pair.ring->write_descriptor(0, block.address, 1, 0, 0);
    for (int i = 0; i < 4; ++i) {
        pair.ring->make_available(0);
        ASSERT_EQ(pair.pop(), PopResult::chain);
    }
    pair.ring->make_available(0);
    EXPECT_EQ(pair.pop(), PopResult::broken);
    EXPECT_EQ(pair.queue->fault()->error, RingError::too_many_in_flight);
}

TEST(MalformedRings, AChainOfMoreThanFourGigabytesIsRefused) {
    driver::SharedMemory shared;
    // A sparse file whose pages are never touched.
    ASSERT_TRUE(shared.add(0, 1ull << 33));
    const auto memory = table_of(shared);
    driver::Ring ring(shared, {.size = 4});
    auto queue = VirtQueue::create(
        *memory,
        {.size = 4,
         .addresses = {ring.descriptors_address(), ring.available_address(), ring.used_address()},
         .base = 0,
         .features = 0,
         .inflight = nullptr,
         .index = 0});
    ASSERT_TRUE(queue) << queue.error();
    ring.write_descriptor(0, 1 << 20, 0xffffffff, next, 1);
    ring.write_descriptor(1, 1 << 20, 1, 0, 0);
    ring.make_available(1);
    ring.make_available(0);
    std::array<iovec, 4> storage{};
    Chain chain;
    ASSERT_EQ(queue->pop(storage, chain), PopResult::chain);
    ASSERT_EQ(queue->pop(storage, chain), PopResult::broken);
    EXPECT_EQ(queue->fault()->error, RingError::length_overflow);
}

/// A ring in memory whose second region is read-only.
class ReadOnlyRegion : public testing::Test {
  protected:
    void SetUp() override {
        auto sources = sources_of(pair.shared);
        sources[1].options.writable = false;
        auto built = GuestMemory::build(sources, *GuestMemory::none());
        ASSERT_TRUE(built) << built.error();
        memory = std::move(*built);
        auto made = VirtQueue::create(*memory, pair.config());
        ASSERT_TRUE(made) << made.error();
        pair.queue.emplace(std::move(*made));
    }
    void offer(std::uint64_t address, std::uint32_t length, bool device_writes) {
        const driver::Buffer buffer{address, length, device_writes};
        ASSERT_TRUE(pair.ring->add(std::span(&buffer, 1)));
        (void)pair.ring->publish();
    }

    static constexpr std::uint64_t border = first_address + region_size;
    RingPair pair{{.size = 8}};
    GuestMemory::Table memory;
};

TEST_F(ReadOnlyRegion, ReadableBuffersMayLieInIt) {
    offer(border + 16, 512, false);
    ASSERT_EQ(pair.pop(), PopResult::chain);
    pair.queue->push(pair.chain, 0);
    offer(border - 16, 512, false);
    ASSERT_EQ(pair.pop(), PopResult::chain);
    EXPECT_EQ(pair.chain.readable.size(), 2U);
}

TEST_F(ReadOnlyRegion, AWritableBufferInItIsAFault) {
    offer(border + 16, 512, true);
    ASSERT_EQ(pair.pop(), PopResult::broken);
    EXPECT_EQ(pair.queue->fault()->error, RingError::read_only);
    EXPECT_EQ(pair.queue->fault()->detail, border + 16);
    EXPECT_NE(to_string(*pair.queue->fault()).find("read-only"), std::string::npos);
}

TEST_F(ReadOnlyRegion, AWritableBufferThatReachesIntoItIsAFault) {
    offer(border - 16, 512, true);
    EXPECT_EQ(pair.pop(), PopResult::broken);
}

TEST_F(ReadOnlyRegion, MustNotHoldTheUsedRing) {
    auto config = pair.config();
    config.addresses.used = pair.shared.user_address(pair.shared.regions()[1].host);
    const auto refused = VirtQueue::check(*memory, config);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().find("writable"), std::string::npos) << refused.error();
    config = pair.config();
    config.addresses.available = pair.shared.user_address(pair.shared.regions()[1].host);
    EXPECT_TRUE(VirtQueue::check(*memory, config));
}

}  // namespace
}  // namespace zonebridge::virtio
