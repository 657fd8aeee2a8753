#include <algorithm>
#include <chrono>

#include "tests/unit/virtio/simulated_kernel.h"
#include "virtio/ring.h"
#include "virtio/vduse/queues.h"

namespace zonebridge::virtio::vduse {
namespace {

using std::chrono::milliseconds;

class VduseQueues : public SimulatedDevice {
  protected:
    VduseQueues() {
        EXPECT_TRUE(queues_.prepare());
        queues_.begin_wait(milliseconds{20});
    }
    ~VduseQueues() override {
        backend_.hang(false);
        EXPECT_TRUE(queues_.let_go(ResetCause::session_end));
    }
    void attach_driver() {
        queues_.attach_driver(feature::version_1 | feature::event_index);
        EXPECT_TRUE(queues_.map_memory());
    }
    [[nodiscard]] std::vector<pollfd> watched() const {
        std::vector<pollfd> waits;
        queues_.watch_kicks(waits);
        return waits;
    }
    void kick() {
        auto waits = watched();
        waits.at(0).revents = POLLIN;
        queues_.take_kicks(waits);
    }
    [[nodiscard]] std::ptrdiff_t starts() const {
        const auto calls = backend_.calls();
        return std::count(calls.begin(), calls.end(), "start 0");
    }

    KernelDevice device_ = make_device();
    std::string logged_;
    Log log_ = [this](std::string_view line) { logged_ += line; };
    Queues queues_{device_, backend_, log_};
};

TEST_F(VduseQueues, NoQueueStartsWithoutADriver) {
    make_ready();
    EXPECT_TRUE(queues_.any_ready());
    queues_.look_at_all();
    EXPECT_EQ(starts(), 0);
    EXPECT_EQ(watched()[0].fd, -1);
    attach_driver();
    queues_.look_at_all();
    EXPECT_EQ(starts(), 1);
}

TEST_F(VduseQueues, AQueueStartsAtAKickOnceItsRingHoldsAChain) {
    attach_driver();
    EXPECT_FALSE(queues_.any_ready());
    ASSERT_EQ(watched().size(), std::size_t{EchoBackend::queues});
    EXPECT_GE(watched()[0].fd, 0);
    kick();
    EXPECT_EQ(starts(), 0) << "the queue is not ready";
    make_ready();
    kick();
    EXPECT_EQ(starts(), 1);
    EXPECT_EQ(watched()[0].fd, -1) << "the worker has the kicks";
    EXPECT_GE(watched()[1].fd, 0);
}

TEST_F(VduseQueues, ASuspendedQueueContinuesAfterAKick) {
    attach_driver();
    make_ready();
    queues_.look_at_all();
    ASSERT_EQ(starts(), 1);
    EXPECT_EQ(queues_.hold(0), 1) << "the one request was taken";
    const auto block = memory_.allocate(4);
    const auto buffer = driver::to_device(block);
    ASSERT_TRUE(ring_->add(std::span(&buffer, 1)));
    (void)ring_->publish();
    queues_.look_at_all();
    EXPECT_EQ(starts(), 1);
    kick();
    EXPECT_EQ(starts(), 2);
    EXPECT_FALSE(queues_.hold(EchoBackend::queues)) << "there is no such queue";
}

TEST_F(VduseQueues, AfterAFaultNoQueueStartsUntilTheQueuesAreReset) {
    attach_driver();
    make_ready();
    kernel.queue.num = queue_size * 2;
    queues_.look_at_all();
    EXPECT_NE(logged_.find("descriptors are too many"), std::string::npos) << logged_;
    EXPECT_NE(logged_.find("until the driver resets it"), std::string::npos) << logged_;
    kernel.queue.num = queue_size;
    queues_.look_at_all();
    EXPECT_EQ(starts(), 0);
    EXPECT_EQ(watched()[0].fd, -1);
    ASSERT_TRUE(queues_.let_go(ResetCause::status));
    EXPECT_FALSE(queues_.has_driver());
    queues_.forget();
    attach_driver();
    queues_.look_at_all();
    EXPECT_EQ(starts(), 1);
}

TEST_F(VduseQueues, UnmappedMemoryStopsTheQueue) {
    attach_driver();
    make_ready();
    queues_.look_at_all();
    ASSERT_EQ(starts(), 1);
    kernel.memory_size = 0;
    ASSERT_TRUE(queues_.map_memory());
    EXPECT_TRUE(backend_.called("stop 0"));
    EXPECT_EQ(backend_.calls().back(), "memory 0");
}

TEST_F(VduseQueues, RequestsInFlightDelayTheReset) {
    attach_driver();
    make_ready();
    backend_.hold(true);
    backend_.hang(true);
    queues_.look_at_all();
    ASSERT_EQ(backend_.held(), 1U);
    EXPECT_FALSE(queues_.let_go(ResetCause::status));
    EXPECT_FALSE(queues_.has_driver());
    // Another wait for the same requests is a short one, whatever its limit.
    queues_.begin_wait(std::chrono::hours{1});
    EXPECT_FALSE(queues_.let_go(ResetCause::status));
    backend_.hang(false);
    EXPECT_TRUE(queues_.let_go(ResetCause::status));
}

}  // namespace
}  // namespace zonebridge::virtio::vduse
