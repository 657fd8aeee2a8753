// A device on several workers, driven without a session: for situations that a session prevents or
// cannot observe.
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

/// A virtio-blk device with three queues on three workers, over a null disk. The ring of queue 1
/// lies in a memory region of its own.
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

TEST_F(OnThreeWorkers, ANewMemoryTableThatOneQueueCannotUseIsUsedByNone) {
    // The table lacks queue 1's ring. The other two workers could use it, and must go back to the
    // old one.
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

TEST_F(OnThreeWorkers, FaultsOfSeveralQueuesAreReportedOnce) {
    for (const auto& queue : queues_) {
        ASSERT_TRUE(queue->ring.add(std::array{driver::Buffer{0xDEAD0000, 512, false}}));
        queue->submit();
    }
    for (const auto& queue : queues_) EXPECT_TRUE(queue->wait_error()) << queue->index;
    // Once the queues have stopped, all faults are posted.
    for (const auto& queue : queues_) (void)backend_->stop_queue(queue->index, later());
    const auto event = backend_->take_event();
    ASSERT_TRUE(event);
    EXPECT_EQ(event->kind, virtio::BackendEvent::Kind::fault);
    EXPECT_FALSE(backend_->take_event());

    // After a reset, the next fault is reported again.
    backend_->reset(virtio::ResetCause::session_end);
    for (const auto& queue : queues_) {
        auto again = setup(*queue, features);
        again.look_at_once = true;  // at the same malformed chain
        must(backend_->start_queue(queue->index, again));
        EXPECT_TRUE(queue->wait_error()) << queue->index;
    }
    for (const auto& queue : queues_) (void)backend_->stop_queue(queue->index, later());
    EXPECT_TRUE(backend_->take_event());
    EXPECT_FALSE(backend_->take_event());
}

TEST(ManyQueues, ShareABoundedAmountOfMemory) {
    constexpr std::uint16_t count = 254;
    constexpr std::uint64_t features = virtio::feature::version_1 | virtio::feature::event_index;
    driver::SharedMemory memory;
    must(memory.add(0x100000, 0x1000000));
    const auto workers =
        must(start_workers(1, Spin({}), [](const Error& error) { FAIL() << error.message; }));
    const auto disk = must(null::open(1 << 20));
    auto backend = must(BlkBackend::open(workers, *disk, count));
    must(backend->set_memory(table({&memory}), later()));
    must(backend->set_features(features));
    std::vector<std::unique_ptr<driver::Queue>> queues;
    const auto start = [&](std::uint16_t index, std::uint16_t size) {
        queues.push_back(std::make_unique<driver::Queue>(
            index, memory, driver::RingOptions{.size = size, .event_index = true}));
        return backend->start_queue(index, setup(*queues.back(), features));
    };
    std::uint16_t running = 0;
    tl::expected<void, std::string> started;
    while (running < count && (started = start(running, 1024))) ++running;
    EXPECT_GE(running, 64U) << "64 large rings must fit";
    ASSERT_LT(running, count);
    EXPECT_NE(started.error().find("fewer or smaller queues"), std::string::npos)
        << started.error();
    // Running queues go on, and a stopped queue makes room for another.
    EXPECT_EQ(must(backend->stop_queue(0, later())), 0U);
    must(start(running, 1024));
    EXPECT_FALSE(start(0, 1024));
    for (std::uint16_t index = 1; index <= running; ++index)
        (void)backend->stop_queue(index, later());
    // All queues fit with the ring size that the device advertises.
    for (std::uint16_t index = 0; index < count; ++index) must(start(index, virtio_blk::ring_size));
    for (std::uint16_t index = 0; index < count; ++index) (void)backend->stop_queue(index, later());
}

}  // namespace
}  // namespace zonebridge::service
