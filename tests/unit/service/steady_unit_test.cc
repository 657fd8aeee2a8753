// A unit whose disk is replaced while two workers send commands: every command completes exactly
// once.
#include "service/steady_unit.h"

#include <future>
#include <thread>

#include <gtest/gtest.h>

#include "tests/driver/connection.h"
#include "tests/unit/service/hosted_units.h"

namespace zonebridge::service {
namespace {

/// A mock unit that completes commands unless `hold` is set, and counts its queues.
class HeldUnit final : public zbc::LogicalUnit {
  public:
    class Queue final : public zbc::TaskQueue {
      public:
        Queue(HeldUnit& unit, Loop& loop) : unit_(unit), loop_(loop) {}
        ~Queue() override { --unit_.queues; }
        std::size_t submit(std::span<const zbc::Task> tasks) noexcept override {
            if (tasks.empty()) return 0;
            tags_.push_back(tasks.front().tag);
            ++unit_.taken;
            loop_.note_ready();
            return 1;
        }
        std::size_t reap(std::span<zbc::TaskResult> out) noexcept override {
            if (unit_.hold || tags_.empty()) return 0;
            out[0] = {.tag = tags_.front(), .status = unit_.status};
            tags_.erase(tags_.begin());
            if (!tags_.empty()) loop_.note_ready();
            return 1;
        }
        std::size_t depth() const noexcept override { return 3; }

      private:
        HeldUnit& unit_;
        Loop& loop_;
        std::vector<std::uint64_t> tags_;
    };

    zbc::TransferLimits transfer_limits() const noexcept override { return limits; }
    tl::expected<std::unique_ptr<zbc::TaskQueue>, Error> open_queue(Loop& loop,
                                                                    std::size_t) override {
        // Counted first, because two workers open their queues at once.
        if (++queues > most_queues) {
            --queues;
            return tl::unexpected(Error{StatusCode::io_error, "no more queues", {}});
        }
        return std::make_unique<Queue>(*this, loop);
    }
    void reset() noexcept override { ++resets; }
    void raise(zbc::Attention) noexcept override { ++raised; }

    zbc::TransferLimits limits{1 << 20, 16};
    int most_queues = 100;
    zbc::ScsiStatus status = zbc::ScsiStatus::good;
    std::atomic<bool> hold = false;
    std::atomic<int> queues = 0;
    std::atomic<int> taken = 0;
    std::atomic<int> resets = 0;
    std::atomic<int> raised = 0;
};

class Steady : public ::testing::Test {
  protected:
    Steady() {
        second.status = zbc::ScsiStatus::task_set_full;  // shows which unit completed a command
        EXPECT_TRUE(units.add({0, &unit}));
    }

    Workers workers =
        start_workers(2, Spin({}), [](const Error& error) { FAIL() << error.message; }).value();
    HeldUnit first;
    HeldUnit second;
    SteadyUnit unit{first};
    HostedUnits units{workers};
};

TEST_F(Steady, ForwardsToTheUnitBehindIt) {
    EXPECT_EQ(unit.transfer_limits().max_segments, 16U);
    EXPECT_EQ(units.run(0).status, zbc::ScsiStatus::good);
    unit.reset();
    unit.raise(zbc::Attention::capacity_changed);
    EXPECT_EQ(first.resets, 1);
    EXPECT_EQ(first.raised, 1);
    EXPECT_EQ(unit.taken(), 1U);
}

TEST_F(Steady, APauseWaitsForCommandsInFlightOnEveryWorker) {
    first.hold = true;
    units.send(0, HostedUnits::test_unit_ready, 0);
    units.send(0, HostedUnits::test_unit_ready, 1);
    while (first.taken < 2) std::this_thread::yield();
    auto paused = std::async(std::launch::async, [this] { return unit.pause(driver::patience); });
    EXPECT_EQ(paused.wait_for(std::chrono::milliseconds{50}), std::future_status::timeout);
    first.hold = false;
    workers[0]->post([] {});  // wakes the worker, as a completion would
    workers[1]->post([] {});
    ASSERT_TRUE(paused.get());
    EXPECT_EQ(first.queues, 0) << "so that the disk can be closed";
    for (std::size_t worker : {0U, 1U})
        EXPECT_EQ(units.wait(0, worker).value().status, zbc::ScsiStatus::good);
    ASSERT_TRUE(unit.resume(first));
}

TEST_F(Steady, APauseTimesOutIfTheDiskHangsAndTheUnitGoesOn) {
    first.hold = true;
    units.send(0, HostedUnits::test_unit_ready, 0);
    while (first.taken < 1) std::this_thread::yield();
    const auto paused = unit.pause(std::chrono::milliseconds{20});
    ASSERT_FALSE(paused);
    EXPECT_NE(paused.error().message.find("did not give back 1 of its commands"), std::string::npos)
        << paused.error().message;
    EXPECT_EQ(first.queues, 2) << "no queue was closed with commands in flight";
    first.hold = false;
    EXPECT_EQ(units.run(0, HostedUnits::test_unit_ready, 1).status, zbc::ScsiStatus::good);
    workers[0]->post([] {});
    EXPECT_EQ(units.wait(0, 0).value().status, zbc::ScsiStatus::good);
    ASSERT_TRUE(unit.pause(driver::patience));
    EXPECT_EQ(first.queues, 0);
    ASSERT_TRUE(unit.resume(first));
}

TEST_F(Steady, CommandsWaitDuringAPause) {
    ASSERT_TRUE(unit.pause(driver::patience));
    for (int i = 0; i < 5; ++i) units.send(0, HostedUnits::test_unit_ready, i % 2);
    EXPECT_FALSE(units.wait(0, 0, std::chrono::milliseconds{30}));
    unit.reset();
    ASSERT_TRUE(unit.resume(second));
    for (int i = 0; i < 5; ++i)
        EXPECT_EQ(units.wait(0, i % 2).value().status, zbc::ScsiStatus::task_set_full);
    EXPECT_EQ(first.taken, 0);
    EXPECT_EQ(second.taken, 5);
    EXPECT_EQ(first.resets, 0);
}

TEST_F(Steady, ResumingWithSmallerLimitsIsRefused) {
    ASSERT_TRUE(unit.pause(driver::patience));
    second.limits.max_segments = 15;
    const auto resumed = unit.resume(second);
    ASSERT_FALSE(resumed);
    EXPECT_NE(resumed.error().message.find("15"), std::string::npos) << resumed.error().message;
    EXPECT_EQ(second.queues, 0);
    ASSERT_TRUE(unit.resume(first));
    EXPECT_EQ(units.run(0).status, zbc::ScsiStatus::good);
}

TEST_F(Steady, ResumingFailsIfAQueueCannotBeOpened) {
    ASSERT_TRUE(unit.pause(driver::patience));
    second.most_queues = 1;
    units.send(0);
    EXPECT_FALSE(unit.resume(second));
    EXPECT_EQ(second.queues, 0);
    ASSERT_TRUE(unit.resume(first));
    EXPECT_EQ(units.wait(0).value().status, zbc::ScsiStatus::good);
    EXPECT_EQ(second.taken, 0);
}

TEST_F(Steady, CommandsOfClosedQueuesAreStillCounted) {
    for (int i = 0; i < 3; ++i) (void)units.run(0);
    (void)units.remove(0);
    EXPECT_EQ(unit.taken(), 3U);
    ASSERT_TRUE(unit.pause(driver::patience));
    EXPECT_TRUE(unit.resume(second));
}

}  // namespace
}  // namespace zonebridge::service
