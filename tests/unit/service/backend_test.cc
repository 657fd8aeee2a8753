// A device on several workers, driven without a session: what a session never lets happen, and what it can't
// tell apart.
#include <array>
#include <memory>
#include <span>

#include <gtest/gtest.h>

#include "service/blk_backend.h"
#include "tests/driver/blk.h"
#include "tests/unit/service/direct_driver.h"
#include "transports/null/null.h"
#include "virtio/ring.h"

namespace zonebridge::service {
namespace {

constexpr std::uint16_t queue_count = 3;

/// A virtio-blk device of three queues on three workers over a disk that does nothing. The driver's second
/// ring lies in a region of its own.
class OnThreeWorkers : public ::testing::Test {
  protected:
    OnThreeWorkers() {
        must(low_.add(0x100000, 0x100000));
        must(high_.add(std::uint64_t{1} << 32, 0x100000));
        workers_ = must(start_workers(queue_count, Spin({}),
                                      [](const Error& error) { FAIL() << error.message; }));
        disk_ = must(null::open(1 << 20));
        backend_ = must(BlkBackend::open(workers_, *disk_, queue_count));
        for (std::uint16_t i = 0; i < queue_count; ++i)
            queues_.push_back(std::make_unique<driver::Queue>(
                i, i == 1 ? high_ : low_, driver::RingOptions{.event_index = true}));
        must(backend_->set_memory(table({&low_, &high_}), later()));
        must(backend_->set_features(features));
        for (const auto& queue : queues_)
            must(backend_->start_queue(queue->index, setup(*queue, features)));
    }

    ~OnThreeWorkers() override {
        for (const auto& queue : queues_) (void)backend_->stop_queue(queue->index, later());
    }

    /// A flush with its two buffers in `where`.
    std::array<driver::Buffer, 2> flush_in(driver::SharedMemory& where) {
        const auto header = where.allocate(16);
        const auto bytes = driver::blk::header(driver::blk::flush, 0);
        std::copy(bytes.begin(), bytes.end(), header.host);
        return {driver::to_device(header), driver::from_device(where.allocate(1))};
    }
    void expect_works(std::uint16_t queue, driver::SharedMemory& buffers) {
        EXPECT_EQ(must(queues_[queue]->run(flush_in(buffers))), 1U) << "queue " << queue;
    }

    static constexpr std::uint64_t features =
        virtio::feature::version_1 | virtio::feature::event_index | driver::blk::f_flush;

    driver::SharedMemory low_, high_;
    Workers workers_;
    std::unique_ptr<Transport> disk_;
    std::unique_ptr<BlkBackend> backend_;
    std::vector<std::unique_ptr<driver::Queue>> queues_;
};

TEST_F(OnThreeWorkers, EveryQueueWorksWithBuffersAnywhere) {
    for (std::uint16_t queue = 0; queue < queue_count; ++queue) {
        expect_works(queue, low_);
        expect_works(queue, high_);
    }
}

TEST_F(OnThreeWorkers, AMoveThatOneCanNotMakeIsMadeByNone) {
    // Queue 1's ring is not in it. The workers of the other two could move, and have to come back.
    const auto moved = backend_->set_memory(table({&low_}), later());
    ASSERT_FALSE(moved);
    for (std::uint16_t queue = 0; queue < queue_count; ++queue) expect_works(queue, high_);
    EXPECT_FALSE(backend_->take_event());

    EXPECT_EQ(must(backend_->stop_queue(1, later())), 1U);
    must(backend_->set_memory(table({&low_}), later()));
    expect_works(0, low_);
    expect_works(2, low_);
    must(backend_->set_memory(table({&low_, &high_}), later()));
    must(backend_->start_queue(1, [this] {
        auto again = setup(*queues_[1], features);
        again.ring.base = 1;
        return again;
    }()));
    for (std::uint16_t queue = 0; queue < queue_count; ++queue) expect_works(queue, high_);
}

TEST_F(OnThreeWorkers, FaultsOfSeveralAreToldOnce) {
    for (const auto& queue : queues_) {
        ASSERT_TRUE(queue->ring.add(std::array{driver::Buffer{0xDEAD0000, 512, false}}));
        queue->submit();
    }
    for (const auto& queue : queues_) EXPECT_TRUE(queue->wait_error()) << queue->index;
    // All have told by the time that they have stopped.
    for (const auto& queue : queues_) (void)backend_->stop_queue(queue->index, later());
    const auto event = backend_->take_event();
    ASSERT_TRUE(event);
    EXPECT_EQ(event->kind, virtio::BackendEvent::Kind::fault);
    EXPECT_FALSE(backend_->take_event());

    // And after a reset there may be another one.
    backend_->reset(virtio::ResetCause::session_end);
    for (const auto& queue : queues_) {
        auto again = setup(*queue, features);
        again.look_at_once = true;  // at the same chain
        must(backend_->start_queue(queue->index, again));
        EXPECT_TRUE(queue->wait_error()) << queue->index;
    }
    for (const auto& queue : queues_) (void)backend_->stop_queue(queue->index, later());
    EXPECT_TRUE(backend_->take_event());
    EXPECT_FALSE(backend_->take_event());
}

}  // namespace
}  // namespace zonebridge::service
