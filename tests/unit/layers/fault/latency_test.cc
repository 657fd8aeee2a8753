// Delayed completions: the tests check their order, not their time.
#include <gtest/gtest.h>

#include "tests/unit/layers/fault/faulty.h"
#include "transports/ring.h"

namespace zonebridge::test {
namespace {

struct OnRing {
    explicit OnRing(const std::vector<std::string>& texts)
        : ring(std::move(*Ring::create())),
          transport(std::move(*fault::inject(std::make_unique<MachineDisk>(), rules_of(texts)))),
          driver(std::move(*transport->open_queue(*ring, {.depth = 16})), *ring) {}

    /// Reads a block of each zone at the same time. Returns the zones in the order of their
    /// completions.
    std::vector<std::uint64_t> read(const std::vector<std::uint64_t>& zones) {
        for (const auto zone : zones)
            driver.submit({.tag = zone,
                           .operation = Operation::read,
                           .offset = zone * Faulty::zone_size,
                           .length = buffer.size(),
                           .data = {&piece, 1},
                           .zones = {}});
        std::vector<std::uint64_t> order;
        for (const auto& done : driver.drain(zones.size())) {
            EXPECT_TRUE(done.status.ok() || done.tag == failing) << done.tag;
            order.push_back(done.tag);
        }
        return order;
    }

    Bytes buffer = Bytes(512);
    iovec piece{buffer.data(), buffer.size()};
    std::uint64_t failing = ~0ULL;
    std::unique_ptr<Ring> ring;
    std::unique_ptr<Transport> transport;
    Driver driver;
};

using Order = std::vector<std::uint64_t>;

TEST(Latency, OtherRequestsOvertakeADelayedOne) {
    OnRing disk({"zone=3,latency=50ms", "zone=4,latency=1us"});
    EXPECT_EQ(disk.read({3, 5, 6}), (Order{5, 6, 3}));
    EXPECT_EQ(disk.read({3, 4}), (Order{4, 3}));
}

TEST(Latency, TheLongestOfSeveralDelaysCounts) {
    OnRing disk({"zone=3,latency=100ms", "zone=3-4,latency=20ms", "latency=5ms"});
    EXPECT_EQ(disk.read({3, 4, 5}), (Order{5, 4, 3}));
}

TEST(Latency, AnErrorCanBeDelayed) {
    OnRing disk({"zone=3,latency=50ms", "zone=3,error=media"});
    disk.failing = 3;
    EXPECT_EQ(disk.read({3, 5}), (Order{5, 3}));
}

TEST(Latency, TheNextWriteOfAZoneDoesNotWaitForADelayedCompletion) {
    OnRing disk({"latency=50ms,operation=write,count=1"});
    std::vector<Bytes> data{pattern(1, 4096), pattern(2, 4096)};
    std::vector<iovec> pieces{{data[0].data(), 4096}, {data[1].data(), 4096}};
    for (std::uint64_t i = 0; i < 2; ++i)
        disk.driver.submit({.tag = i,
                            .operation = Operation::write,
                            .offset = 2 * Faulty::zone_size + i * 4096,
                            .length = 4096,
                            .data = {&pieces[i], 1},
                            .zones = {}});
    const auto done = disk.driver.drain(2);
    EXPECT_EQ(done[0].tag, 1U);
    EXPECT_TRUE(done[0].status.ok()) << "the first write had moved the write pointer";
    EXPECT_EQ(done[1].tag, 0U);
    EXPECT_TRUE(done[1].status.ok());
}

TEST(Latency, AQueueClosesWhileCompletionsAreDelayed) {
    OnRing disk({"latency=600s"});
    disk.driver.submit({.operation = Operation::read,
                        .offset = 0,
                        .length = 512,
                        .data = {&disk.piece, 1},
                        .zones = {}});
    disk.driver.close();
}

}  // namespace
}  // namespace zonebridge::test
