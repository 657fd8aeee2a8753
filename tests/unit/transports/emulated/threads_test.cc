// Several threads, each with its own queue, on one disk. Also meant for the thread sanitizer.
#include <atomic>
#include <random>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "tests/unit/transports/emulated/history.h"
#include "tests/unit/transports/emulated/support.h"

namespace zonebridge::emulated {
namespace {

constexpr std::uint32_t zones = 16;

Bytes stamped(std::uint64_t stamp, std::size_t length) {
    Bytes data(length);
    for (std::size_t at = 0; at < length; at += 512)
        put_stamp(stamp, std::span<std::uint8_t, 512>(data.data() + at, 512));
    return data;
}

std::optional<std::uint64_t> stamp_at(const Bytes& data, std::size_t at) {
    return find_stamp(std::span<const std::uint8_t, 512>(data.data() + at, 512));
}

class SharedDisk : public ::testing::Test {
  protected:
    void SetUp() override {
        ASSERT_TRUE(create(path_, small_shape()));
        auto transport = open(path_, {true});
        ASSERT_TRUE(transport) << transport.error().message;
        transport_ = std::move(*transport);
    }
    /// Runs `body(driver, index)` on `count` threads, each with its own loop and queue.
    template <typename Body>
    void run(int count, Body body) {
        std::vector<std::thread> threads;
        for (int i = 0; i < count; ++i)
            threads.emplace_back([&, i] {
                auto ring = Ring::create().value();
                Driver driver(transport_->open_queue(*ring, {}).value(), *ring);
                body(driver, i);
                driver.close();
            });
        for (auto& thread : threads) thread.join();
    }

    ScratchFolder folder_{ScratchFolder::Place::memory};
    std::string path_ = folder_.file("disk");
    std::unique_ptr<Transport> transport_;
};

TEST_F(SharedDisk, AppendsOfAllThreadsHaveDifferentOffsets) {
    std::mutex lock;
    std::set<std::uint64_t> places;
    run(4, [&](Driver& driver, int thread) {
        for (std::uint64_t i = 0;; ++i) {
            const auto stamp = 1 + static_cast<std::uint64_t>(thread) * 1000 + i;
            const auto done = driver.append(2 * zone_size, stamped(stamp, 4096));
            if (done.status.code == StatusCode::zone_full) return;
            ASSERT_TRUE(done.status.ok());
            EXPECT_EQ(stamp_at(driver.read(done.result, 4096), 512), stamp);
            const std::lock_guard guard(lock);
            EXPECT_TRUE(places.insert(done.result).second);
            if (i % 3 != 0) continue;
            EXPECT_TRUE(driver.flush().ok());
        }
    });
    EXPECT_EQ(places.size(), capacity / 4096);
}

// While other threads reset and write, a reader finds in a zone that zone's data or zeroes: never
// the old data of its slot, or the data of another zone.
TEST_F(SharedDisk, ReadersNeverSeeAnotherZonesData) {
    std::atomic<int> writing = 2;
    run(4, [&](Driver& driver, int thread) {
        std::mt19937_64 random(static_cast<std::uint64_t>(thread));
        if (thread < 2) {
            for (int i = 0; i < 600; ++i) {
                const auto zone = 2 + random() % 13;
                const auto start = zone * zone_size;
                if (random() % 3 == 0) {
                    ASSERT_TRUE(driver.act(Operation::reset, start, zone_size).status.ok());
                    if (random() % 2 == 0) {
                        ASSERT_TRUE(driver.flush().ok());
                    }
                } else {
                    const auto done = driver.append(start, stamped(zone << 32 | 1U, 8192));
                    ASSERT_TRUE(done.status.ok() || done.status.code == StatusCode::zone_full ||
                                done.status.code == StatusCode::crosses_boundary);
                }
                if (random() % 100 == 0) {
                    ASSERT_TRUE(driver.act_all(Operation::reset).ok());
                }
            }
            --writing;
            return;
        }
        while (writing != 0) {
            const auto zone = 2 + random() % 13;
            const auto data = driver.read(zone * zone_size, capacity);
            for (std::size_t at = 0; at < data.size(); at += 512) {
                const auto stamp = stamp_at(data, at);
                ASSERT_TRUE(stamp && (*stamp == 0 || *stamp >> 32 == zone))
                    << "zone " << zone << " at " << at;
            }
        }
    });
    ASSERT_TRUE(transport_->close());
}

TEST_F(SharedDisk, WritesAndFlushesOfAllThreadsSucceed) {
    run(4, [&](Driver& driver, int thread) {
        const auto zone = static_cast<std::uint64_t>(2 + thread);
        for (std::uint64_t i = 0; i < capacity / 4096; ++i) {
            ASSERT_TRUE(
                driver.write(zone * zone_size + i * 4096, stamped(i + 1, 4096), i % 2 == 0).ok());
            if (i % 2 == 1) {
                ASSERT_TRUE(driver.flush().ok());
            }
        }
    });
    run(1, [&](Driver& driver, int) {
        const auto found = driver.report(zones);
        for (std::uint32_t zone = 2; zone < 6; ++zone)
            EXPECT_EQ(found.at(zone).state, ZoneState::full);
    });
}

}  // namespace
}  // namespace zonebridge::emulated
