// Fault rules with several threads on one emulated disk. Each thread has its own loop and queue.
#include <atomic>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/unit/layers/fault/faulty.h"
#include "tests/unit/support/temporary.h"
#include "transports/emulated/emulated.h"
#include "transports/open.h"
#include "transports/ring.h"

namespace zonebridge::test {
namespace {

constexpr std::uint32_t threads = 4;
constexpr std::uint64_t zone_size = 2 << 20;

class Threads : public ::testing::Test {
  protected:
    void open(const std::vector<std::string>& texts) {
        emulated::Shape shape;
        shape.size = 32 << 20;
        shape.zone_size = zone_size;
        const auto path = folder_ / "disk";
        ASSERT_TRUE(emulated::create(path, shape));
        auto disk = open_device("emulated:" + path, {.writable = true});
        ASSERT_TRUE(disk) << disk.error().message;
        auto made = fault::inject(std::move(*disk), rules_of(texts), &acted_);
        ASSERT_TRUE(made) << made.error().message;
        transport_ = std::move(*made);
    }
    void run(const std::function<void(Driver&, std::uint32_t)>& body) {
        std::vector<std::thread> all;
        for (std::uint32_t i = 0; i < threads; ++i)
            all.emplace_back([&, i] {
                const auto ring = std::move(*Ring::create());
                Driver driver(std::move(*transport_->open_queue(*ring, {.depth = 8})), *ring);
                body(driver, i);
            });
        for (auto& thread : all) thread.join();
    }

    TemporaryFolder folder_;
    ActedRules acted_;
    std::unique_ptr<Transport> transport_;
};

TEST_F(Threads, RequestsOfAllThreadsAreCountedTogether) {
    open({"error=io,operation=read,after=100,count=50"});
    std::atomic<int> failed = 0;
    run([&](Driver& driver, std::uint32_t) {
        Bytes into(4096);
        for (int i = 0; i < 100; ++i)
            if (!driver.try_read(0, into).ok()) ++failed;
    });
    EXPECT_EQ(failed, 50);
    EXPECT_EQ(acted_.rules().size(), 1U);
}

TEST_F(Threads, AZoneGoesBadForAllThreadsAtOnce) {
    open({"zone=1,state=read-only,after=200,operation=write", "zone=9,latency=1ms"});
    std::atomic<bool> bad = false;
    std::atomic<int> written = 0;
    run([&](Driver& driver, std::uint32_t index) {
        const auto data = pattern(index, 4096);
        if (index == 0) {
            for (std::uint64_t at = zone_size; !bad; at += 4096) {
                const auto code = driver.write(at, data).code;
                if (code == StatusCode::zone_read_only)
                    bad = true;
                else
                    ++written;
                EXPECT_EQ(code, bad ? StatusCode::zone_read_only : StatusCode::ok);
            }
            return;
        }
        for (;;) {
            const auto was_bad = bad.load();
            const auto zone = driver.report(1, zone_size).at(0);
            if (was_bad) {
                EXPECT_EQ(zone.state, ZoneState::read_only);
                EXPECT_EQ(driver.write(zone_size, data).code, StatusCode::zone_read_only);
                EXPECT_EQ(driver.act_all(Operation::reset).code, StatusCode::ok);
                return;
            }
            Bytes into(4096);
            EXPECT_TRUE(driver.try_read(9 * zone_size, into).ok());
        }
    });
    EXPECT_EQ(written, 200);
    EXPECT_EQ(acted_.rules().size(), 2U);
}

}  // namespace
}  // namespace zonebridge::test
