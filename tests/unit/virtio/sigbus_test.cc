#include "base/sigbus.h"

#include <csignal>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/unit/virtio/ring_pair.h"

namespace zonebridge::virtio {
namespace {

/// A load that the compiler cannot optimise away.
std::byte touch(const std::byte* at) {
    return *const_cast<const volatile std::byte*>(at);
}

TEST(Sigbus, TruncatedMemoryReadsAsZeroesAndMarksTheTableBroken) {
    driver::SharedMemory shared;
    ASSERT_TRUE(shared.add(0, 0x10000));
    ASSERT_TRUE(shared.add(0x10000, 0x10000));
    const auto table = table_of(shared);
    GuestMemory::Hint hint;
    auto* const low = table->translate(0x1000, 1, hint);
    auto* const high = table->translate(0x9008, 1, hint);
    *low = std::byte{1};
    *high = std::byte{2};
    ASSERT_EQ(::ftruncate(shared.regions()[0].fd, 0x8000), 0);
    EXPECT_FALSE(table->broken()) << "the missing pages were not touched yet";
    EXPECT_EQ(*low, std::byte{1});

    EXPECT_EQ(touch(high), std::byte{0});
    EXPECT_TRUE(table->broken());
    *static_cast<volatile std::byte*>(high) = std::byte{3};  // has no effect on the file
    *static_cast<volatile std::byte*>(table->translate(0xf000, 1, hint)) = std::byte{4};
    EXPECT_EQ(*low, std::byte{1}) << "the rest of the region is unchanged";

    driver::SharedMemory other;
    ASSERT_TRUE(other.add(0, 0x10000));
    EXPECT_FALSE(table_of(other)->broken()) << "another session's memory is not affected";
    EXPECT_FALSE(table->without(sources_of(shared)[1].region))
        << "a table made from a broken one is refused";
}

TEST(Sigbus, ManyThreadsMayTouchTheSameMissingPages) {
    driver::SharedMemory shared;
    ASSERT_TRUE(shared.add(0, 0x100000));
    const auto table = table_of(shared);
    ASSERT_EQ(::ftruncate(shared.regions()[0].fd, 0), 0);
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&] {
            GuestMemory::Hint hint;
            for (std::uint64_t at = 0; at < 0x100000; at += 0x1000)
                (void)touch(table->translate(at, 1, hint));
        });
    for (auto& thread : threads) thread.join();
    EXPECT_TRUE(table->broken());
}

TEST(Sigbus, ARingInTruncatedMemoryBreaks) {
    RingPair pair;
    const auto block = block_of(pair.shared, "hello");
    const auto buffer = driver::to_device(block);
    ASSERT_TRUE(pair.ring->add(std::span(&buffer, 1)));
    (void)pair.ring->publish();
    pair.serve();
    ASSERT_EQ(::ftruncate(pair.shared.regions()[0].fd, 0), 0);
    EXPECT_EQ(pair.pop(), PopResult::broken);
    ASSERT_TRUE(pair.queue->fault());
    EXPECT_EQ(pair.queue->fault()->error, RingError::memory_gone);
    EXPECT_EQ(pair.pop(), PopResult::broken) << "the queue stays broken";
}

TEST(Sigbus, GuardedRangesAreReleased) {
    driver::SharedMemory shared;
    ASSERT_TRUE(shared.add(0, 0x1000));
    for (int i = 0; i < 10'000; ++i) ASSERT_TRUE(table_of(shared)) << i;
}

using SigbusDeathTest = testing::Test;

TEST(SigbusDeathTest, AFaultOutsideGuardedRangesStillKillsTheProcess) {
    driver::SharedMemory shared;
    ASSERT_TRUE(shared.add(0, 0x1000));
    const auto guarded = table_of(shared);  // the handler is installed
    EXPECT_DEATH(
        {
            driver::SharedMemory own;
            (void)own.add(0, 0x1000);
            (void)::ftruncate(own.regions()[0].fd, 0);
            *static_cast<volatile std::byte*>(own.regions()[0].host) = std::byte{1};
        },
        "");
    EXPECT_DEATH(::raise(SIGBUS), "");
}

}  // namespace
}  // namespace zonebridge::virtio
