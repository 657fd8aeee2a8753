// Queues with chains that an earlier server took and never answered, on several workers: when they
// are answered, and when new chains are taken.
#include <array>
#include <memory>
#include <optional>
#include <span>
#include <sys/uio.h>
#include <vector>

#include <gtest/gtest.h>

#include "service/blk_backend.h"
#include "tests/driver/blk.h"
#include "tests/unit/service/direct_driver.h"
#include "transports/null/null.h"
#include "virtio/inflight.h"
#include "virtio/ring.h"

namespace zonebridge::service {
namespace {

/// A virtio-blk device with three queues on two workers, over a null disk. A dead server took a
/// flush of queue 0 and a write of queue 2, and nothing of queue 1.
class RecoveredQueues : public ::testing::Test {
  protected:
    static constexpr std::uint16_t count = 3, worker_count = 2, size = 16;
    static constexpr std::uint64_t features =
        virtio::feature::version_1 | virtio::feature::event_index | driver::blk::f_flush;

    RecoveredQueues() {
        must(memory_.add(0x100000, 0x100000));
        workers_ = must(start_workers(worker_count, Spin({}),
                                      [](const Error& error) { FAIL() << error.message; }));
        disk_ = must(null::open(1 << 20));
        backend_ = must(BlkBackend::open(workers_, *disk_, count));
        const auto fd = must(virtio::InflightArea::make(count, size));
        record_ = must(virtio::InflightArea::map(
            fd.get(), 0, virtio::InflightArea::size_for(count, size), count, size));
        must(backend_->set_memory(table({&memory_}), later()));
        must(backend_->set_features(features));
        for (std::uint16_t i = 0; i < count; ++i) {
            queues_.push_back(std::make_unique<driver::Queue>(
                i, memory_, driver::RingOptions{.size = size, .event_index = true}));
            (void)record_->queue(i).recover(0, size);
        }
        lost_flush_ = lose(0, driver::blk::flush);
        lost_write_ = lose(2, driver::blk::out);
    }
    ~RecoveredQueues() override {
        for (std::uint16_t i = 0; i < count; ++i) (void)backend_->stop_queue(i, later());
    }

    virtio::QueueSetup setup_of(std::uint16_t index) {
        auto made = setup(*queues_.at(index), features);
        made.inflight = record_;
        made.ring.inflight = record_.get();
        made.look_at_once = true;
        return made;
    }
    void start(std::uint16_t index) { must(backend_->start_queue(index, setup_of(index))); }

    /// Queues a request of one block; returns the buffer for its status.
    driver::Block add(std::uint16_t index, std::uint32_t type) {
        const auto out = memory_.allocate(16 + 512);
        const auto bytes = driver::blk::header(type, 0);
        std::copy(bytes.begin(), bytes.end(), out.host);
        const auto status = memory_.allocate(1);
        status.host[0] = std::byte{0xEE};
        EXPECT_TRUE(queues_.at(index)->ring.add(
            std::array{driver::to_device(out), driver::from_device(status)}));
        queues_.at(index)->submit();
        return status;
    }
    /// The dead server takes a request.
    driver::Block lose(std::uint16_t index, std::uint32_t type) {
        const auto status = add(index, type);
        const auto map = table({&memory_});
        auto ring = must(virtio::VirtQueue::create(*map, setup_of(index).ring));
        std::array<iovec, 8> storage{};
        virtio::Chain chain;
        EXPECT_EQ(ring.pop(storage, chain), virtio::PopResult::chain);
        return status;
    }
    std::uint8_t answer(std::uint16_t index, const driver::Block& status) {
        (void)must(queues_.at(index)->wait_used());
        return static_cast<std::uint8_t>(status.host[0]);
    }
    /// Every worker has had the time to take what it may take.
    void let_workers_turn() {
        for (int i = 0; i < 3; ++i)
            for (const auto& worker : workers_) worker->call([](Ring&) {});
    }

    driver::SharedMemory memory_;
    Workers workers_;
    std::unique_ptr<Transport> disk_;
    std::unique_ptr<BlkBackend> backend_;
    std::shared_ptr<const virtio::InflightArea> record_;
    std::vector<std::unique_ptr<driver::Queue>> queues_;
    driver::Block lost_flush_, lost_write_;
};

TEST_F(RecoveredQueues, NothingIsTakenBeforeAllRingsOfTheRecordHaveStarted) {
    const auto fresh = add(1, driver::blk::flush);
    const auto behind = add(0, driver::blk::flush);
    start(0);
    start(1);
    let_workers_turn();
    for (std::uint16_t i = 0; i < count; ++i) EXPECT_EQ(queues_[i]->ring.used_index(), 0) << i;
    start(2);
    EXPECT_EQ(answer(0, lost_flush_), driver::blk::ok);
    EXPECT_EQ(answer(2, lost_write_), driver::blk::ok);
    EXPECT_EQ(answer(0, behind), driver::blk::ok);
    EXPECT_EQ(answer(1, fresh), driver::blk::ok);
}

TEST_F(RecoveredQueues, AQueueThatStopsAnswersItsChainsAndALateRingChangesNothing) {
    start(0);
    start(1);
    EXPECT_EQ(must(backend_->stop_queue(0, later())), 1U);
    EXPECT_EQ(answer(0, lost_flush_), driver::blk::ok);
    EXPECT_EQ(answer(1, add(1, driver::blk::flush)), driver::blk::ok) << "queues go on";
    start(2);
    EXPECT_EQ(answer(2, lost_write_), driver::blk::io_error);
    EXPECT_EQ(answer(2, add(2, driver::blk::flush)), driver::blk::ok);
}

TEST_F(RecoveredQueues, MemoryMayChangeBeforeAllRingsHaveStarted) {
    start(0);
    driver::SharedMemory more;
    must(more.add(std::uint64_t{1} << 32, 0x100000));
    must(backend_->set_memory(table({&memory_, &more}), later()));
    start(2);
    EXPECT_EQ(answer(0, lost_flush_), driver::blk::ok);
    EXPECT_EQ(answer(2, lost_write_), driver::blk::ok);
}

TEST_F(RecoveredQueues, TheNextSessionIsNotHeldUp) {
    start(1);
    (void)backend_->stop_queue(1, later());
    backend_->reset(virtio::ResetCause::session_end);
    must(backend_->set_features(features));
    auto without = setup(*queues_[1], features);
    without.look_at_once = true;
    must(backend_->start_queue(1, without));
    EXPECT_EQ(answer(1, add(1, driver::blk::flush)), driver::blk::ok);
}

TEST_F(RecoveredQueues, ARingThatCanNotStartDoesNotHoldUpTheNextSession) {
    auto wrong = setup_of(0);
    wrong.ring.size = 3;
    EXPECT_FALSE(backend_->start_queue(0, wrong));
    backend_->reset(virtio::ResetCause::session_end);
    must(backend_->set_features(features));
    for (std::uint16_t i = 0; i < count; ++i) start(i);
    EXPECT_EQ(answer(0, lost_flush_), driver::blk::ok);
    EXPECT_EQ(answer(2, lost_write_), driver::blk::ok);
}

}  // namespace
}  // namespace zonebridge::service
