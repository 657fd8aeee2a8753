// One device's queues on one worker, whose loop the test turns: which chains are taken from which
// ring, and when.
#include "service/device_queues.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "tests/driver/blk.h"
#include "tests/unit/service/direct_driver.h"
#include "tests/unit/support/hand_loop.h"
#include "tests/unit/support/machine_disk.h"
#include "tests/unit/virtio-scsi/scripted_unit.h"
#include "virtio-blk/device.h"
#include "virtio-scsi/controller.h"
#include "virtio/ring.h"

namespace zonebridge::service {
namespace {

/// A real loop reports each kick once; HandLoop reports it as long as the descriptor is readable.
void forget_kicks(const driver::Queue& queue) {
    std::uint64_t count = 0;
    [[maybe_unused]] const auto got = ::read(queue.kick_fd, &count, sizeof count);
}

class BlkDeviceQueues : public testing::Test {
  protected:
    static constexpr std::uint64_t features = virtio::feature::version_1 |
                                              virtio::feature::event_index |
                                              virtio::feature::indirect_descriptors;

    explicit BlkDeviceQueues(driver::RingOptions options = {
                                 .size = 16, .event_index = true, .indirect_entries = 4}) {
        must(memory_.add(0x100000, 0x400000));
        device_ = must(virtio_blk::BlockDevice::open(loop_, disk_, {.id = "ZB-0001"}));
        device_->set_mode({.zoned = true, .write_through = false});
        path_.emplace(loop_, *device_, [this](std::string why) { faults_.push_back(why); });
        path_->set_memory(table({&memory_}), [](auto moved) { must(moved); });
        turn();
        queue_ = std::make_unique<driver::Queue>(0, memory_, options);
        must(path_->start(0, setup(*queue_, features)));
    }
    ~BlkDeviceQueues() override {
        disk_.hold = false;
        auto stopped = false;
        path_->stop(0, [&](std::uint16_t) { stopped = true; });
        for (int i = 0; i < 8; ++i) turn();
        EXPECT_TRUE(stopped);
    }

    /// A worker's turn.
    void turn() {
        path_->take();
        must(loop_.turn(Loop::Wait::poll));
        if (queue_) forget_kicks(*queue_);
        path_->complete();
    }
    std::uint16_t add_flush() {
        const auto header = memory_.allocate(16);
        const auto bytes = driver::blk::header(driver::blk::flush, 0);
        std::copy(bytes.begin(), bytes.end(), header.host);
        const auto head = queue_->ring.add(
            std::array{driver::to_device(header), driver::from_device(memory_.allocate(1))});
        if (!head) throw std::runtime_error("the ring is full");
        return *head;
    }

    test::HandLoop loop_;
    test::MachineDisk disk_;
    driver::SharedMemory memory_;
    std::unique_ptr<virtio_blk::BlockDevice> device_;
    std::optional<DeviceQueues> path_;
    std::unique_ptr<driver::Queue> queue_;
    std::vector<std::string> faults_;
};

TEST_F(BlkDeviceQueues, MoreChainsInFlightThanDescriptorsAreAFault) {
    disk_.hold = true;
    const auto head = add_flush();
    for (int i = 1; i < 16; ++i) (void)add_flush();
    queue_->submit();
    turn();
    turn();
    EXPECT_EQ(device_->in_flight(0), 16U);
    EXPECT_TRUE(faults_.empty());

    queue_->ring.make_available(head);
    queue_->kick();
    turn();
    turn();
    ASSERT_EQ(faults_.size(), 1U);
    EXPECT_NE(faults_[0].find("more chains"), std::string::npos) << faults_[0];
    EXPECT_TRUE(queue_->wait_error());
}

/// Chains that need more pieces than a slot has, and together more than the pool has.
class LongBlkDeviceQueues : public BlkDeviceQueues {
  protected:
    static constexpr std::uint16_t ring_size = 64;

    LongBlkDeviceQueues()
        : BlkDeviceQueues({.size = ring_size, .event_index = true, .indirect_entries = 512}) {}

    void add_long_flush() {
        const auto header = memory_.allocate(16);
        const auto bytes = driver::blk::header(driver::blk::flush, 0);
        std::copy(bytes.begin(), bytes.end(), header.host);
        std::vector<driver::Buffer> chain(500, driver::to_device(header));
        chain.push_back(driver::from_device(memory_.allocate(1)));
        if (!queue_->ring.add(chain)) throw std::runtime_error("the ring is full");
    }
    std::size_t answered() {
        std::size_t count = 0;
        while (queue_->ring.take_used()) ++count;
        return count;
    }
};

TEST_F(LongBlkDeviceQueues, TakesWaitingChainsAsOthersComplete) {
    disk_.hold = true;
    for (int i = 0; i < ring_size; ++i) add_long_flush();
    queue_->submit();
    for (int i = 0; i < 4; ++i) turn();
    const auto taken = device_->in_flight(0);
    EXPECT_GT(taken, 0U);
    EXPECT_LT(taken, ring_size) << "the test needs more chains than there are pieces for";
    EXPECT_TRUE(device_->waits(0));
    disk_.hold = false;
    std::size_t count = 0;
    for (int i = 0; i < 64 && count != ring_size; ++i) {
        turn();
        count += answered();
    }
    EXPECT_EQ(count, ring_size) << "the driver sends no further kick";
    EXPECT_FALSE(device_->waits(0));
    EXPECT_TRUE(faults_.empty());
}

TEST_F(LongBlkDeviceQueues, StopsWithoutTakingTheWaitingChains) {
    disk_.hold = true;
    for (int i = 0; i < ring_size; ++i) add_long_flush();
    queue_->submit();
    for (int i = 0; i < 4; ++i) turn();
    const auto taken = device_->in_flight(0);
    std::optional<std::uint16_t> base;
    path_->stop(0, [&](std::uint16_t at) { base = at; });
    for (int i = 0; i < 4; ++i) turn();
    EXPECT_FALSE(base) << "chains are in flight";
    disk_.hold = false;
    for (int i = 0; i < 8; ++i) turn();
    ASSERT_TRUE(base);
    EXPECT_EQ(*base, taken);
    EXPECT_EQ(answered(), taken);

    auto again = setup(*queue_, features);
    again.ring.base = *base;
    again.look_at_once = true;
    must(path_->start(0, again));
    std::size_t count = taken;
    for (int i = 0; i < 64 && count != ring_size; ++i) {
        turn();
        count += answered();
    }
    EXPECT_EQ(count, ring_size);
}

/// A device that runs out of memory the first `failures` times that a queue is attached.
class OutOfMemory final : public virtio::Device {
  public:
    void attach(std::uint16_t, virtio::VirtQueue&) override {
        if (failures != 0) {
            --failures;
            throw std::bad_alloc();
        }
        attached = true;
    }
    void detach(std::uint16_t) noexcept override { attached = false; }
    std::size_t bytes_for(std::uint16_t) const noexcept override { return 0; }
    bool take(std::uint16_t) noexcept override {
        ++taken;
        return true;
    }
    bool waits(std::uint16_t) const noexcept override { return false; }
    void complete() noexcept override {}
    void recover(virtio::Lost) noexcept override {}
    bool recovering() const noexcept override { return false; }
    std::size_t in_flight(std::uint16_t) const noexcept override { return 0; }
    const std::optional<std::string>& fault() const noexcept override { return none; }

    int failures = 1;
    bool attached = false;
    int taken = 0;
    std::optional<std::string> none;
};

TEST(DeviceQueues, AQueueIsRefusedWithAReasonIfMemoryRunsOut) {
    test::HandLoop loop;
    OutOfMemory device;
    DeviceQueues path(loop, device, [](const std::string& why) { FAIL() << why; });
    driver::SharedMemory memory;
    must(memory.add(0x100000, 0x100000));
    path.set_memory(table({&memory}), [](auto moved) { must(moved); });
    path.complete();
    driver::Queue queue(5, memory, {.size = 64});
    auto wanted = setup(queue, virtio::feature::version_1);
    const auto refused = path.start(5, wanted);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error(), "queue 5: no memory for a ring of 64 descriptors");
    queue.kick();
    must(loop.turn(Loop::Wait::poll));
    path.take();
    EXPECT_EQ(device.taken, 0) << "the refused queue is not served";

    must(path.start(5, wanted));
    EXPECT_TRUE(device.attached);
    auto stopped = false;
    path.stop(5, [&](std::uint16_t) { stopped = true; });
    path.complete();
    EXPECT_TRUE(stopped);
}

/// A virtio-scsi controller with one request queue. Its unit completes commands when the test says
/// so.
class ScsiDeviceQueues : public testing::Test {
  protected:
    static constexpr std::uint64_t features = virtio::feature::version_1 |
                                              virtio::feature::event_index |
                                              virtio::feature::indirect_descriptors;
    static constexpr std::uint16_t requests = virtio_scsi::first_request_queue;

    ScsiDeviceQueues() {
        must(memory_.add(0x100000, 0x400000));
        const std::array units{virtio_scsi::Unit{0, &unit_}};
        controller_ = must(virtio_scsi::Controller::open(loop_, units));
        controller_->set_features(virtio_scsi::feature_hotplug | virtio_scsi::feature_change);
        path_.emplace(loop_, *controller_, [](const std::string& why) { FAIL() << why; });
        path_->set_memory(table({&memory_}), [](auto moved) { must(moved); });
        turn();
        for (std::uint16_t i = 0; i <= requests; ++i)
            queues_.push_back(std::make_unique<driver::Queue>(
                i, memory_,
                driver::RingOptions{.size = 64, .event_index = true, .indirect_entries = 64}));
    }
    ~ScsiDeviceQueues() override {
        unit_.complete_all();
        for (const auto& queue : queues_) path_->stop(queue->index, [](std::uint16_t) {});
        for (int i = 0; i < 8; ++i) turn();
    }

    void start(std::uint16_t index, bool enabled = true) {
        auto made = setup(*queues_.at(index), features);
        made.enabled = enabled;
        must(path_->start(index, made));
    }
    void turn() {
        path_->take();
        must(loop_.turn(Loop::Wait::poll));
        for (const auto& queue : queues_) forget_kicks(*queue);
        path_->complete();
    }
    void settle() {
        for (int i = 0; i < 4; ++i) turn();
    }
    /// Queues a command of at least `buffers` buffers, without a kick.
    void add_command(std::size_t buffers = 2) {
        const auto out = memory_.allocate(virtio_scsi::RequestHeader::size +
                                          virtio_scsi::Config::default_cdb_size);
        const auto address = virtio_scsi::encode_address({0, 0, false});
        std::memcpy(out.host, address.data(), address.size());
        const auto in = memory_.allocate(virtio_scsi::ResponseHeader::size +
                                         virtio_scsi::Config::default_sense_size);
        std::vector<driver::Buffer> chain{driver::to_device(out), driver::from_device(in)};
        chain.resize(std::max(chain.size(), buffers), chain.back());
        ASSERT_TRUE(queues_.at(requests)->ring.add(chain));
        (void)queues_.at(requests)->ring.publish();
    }
    /// Queues a function that affects all commands of the unit, and kicks. Returns the response's
    /// buffer.
    driver::Block reset_unit() {
        const auto out = memory_.allocate(virtio_scsi::TaskManagement::size);
        out.host[4] = static_cast<std::byte>(virtio_scsi::TaskFunction::logical_unit_reset);
        const auto address = virtio_scsi::encode_address({0, 0, false});
        std::memcpy(out.host + 8, address.data(), address.size());
        const auto in = memory_.allocate(1);
        in.host[0] = std::byte{0xEE};
        EXPECT_TRUE(
            queues_.at(0)->ring.add(std::array{driver::to_device(out), driver::from_device(in)}));
        queues_.at(0)->submit();
        return in;
    }

    test::HandLoop loop_;
    virtio_scsi::ScriptedUnit unit_;
    driver::SharedMemory memory_;
    std::unique_ptr<virtio_scsi::Controller> controller_;
    std::optional<DeviceQueues> path_;
    std::vector<std::unique_ptr<driver::Queue>> queues_;
};

TEST_F(ScsiDeviceQueues, AFunctionTakesNothingFromADisabledRing) {
    for (const std::uint16_t index : {0, 1}) start(index);
    start(requests, false);
    add_command();
    queues_.at(requests)->kick();
    settle();
    const auto function = reset_unit();
    settle();
    EXPECT_EQ(unit_.waiting(), 0U) << "the ring is disabled";
    EXPECT_EQ(function.host[0], std::byte{0}) << "the function does not wait for the command in it";
    path_->enable(requests, true);
    settle();
    EXPECT_EQ(unit_.waiting(), 1U);
}

TEST_F(ScsiDeviceQueues, AFunctionTakesNothingFromARingThatWasNotKicked) {
    for (std::uint16_t index = 0; index <= requests; ++index) start(index);
    add_command();
    const auto function = reset_unit();
    settle();
    EXPECT_EQ(unit_.waiting(), 0U) << "the ring has not been kicked yet";
    EXPECT_EQ(function.host[0], std::byte{0});
    queues_.at(requests)->kick();
    settle();
    EXPECT_EQ(unit_.waiting(), 1U);
}

TEST_F(ScsiDeviceQueues, AFunctionTakesCommandsFromARingThatWasEnabledLater) {
    for (const std::uint16_t index : {0, 1}) start(index);
    start(requests, false);
    queues_.at(requests)->kick();
    settle();
    path_->enable(requests, true);
    settle();
    add_command();
    const auto function = reset_unit();
    settle();
    EXPECT_EQ(unit_.waiting(), 1U);
    EXPECT_EQ(function.host[0], std::byte{0xEE}) << "the function waits for the command";
    unit_.complete_all();
    settle();
    EXPECT_EQ(function.host[0], std::byte{0});
}

TEST_F(ScsiDeviceQueues, AFunctionWaitsForCommandsThatWaitForPieces) {
    constexpr std::size_t commands = 60;
    for (std::uint16_t index = 0; index <= requests; ++index) start(index);
    for (std::size_t i = 0; i < commands; ++i) add_command(60);
    queues_.at(requests)->kick();
    settle();
    const auto first = unit_.waiting();
    ASSERT_GT(first, 0U);
    ASSERT_LT(first, commands) << "the test needs more chains than there are pieces for";
    const auto function = reset_unit();
    settle();
    EXPECT_EQ(function.host[0], std::byte{0xEE});
    for (std::size_t done = 0; done < commands; ++done) {
        ASSERT_EQ(function.host[0], std::byte{0xEE}) << "after " << done << " commands";
        ASSERT_NE(unit_.waiting(), 0U);
        unit_.complete(0);
        settle();
    }
    EXPECT_EQ(function.host[0], std::byte{0});
    EXPECT_EQ(unit_.waiting(), 0U);
}

TEST_F(ScsiDeviceQueues, AFunctionCompletesWhenTheRingsOfItsCommandsStop) {
    constexpr std::size_t commands = 60;
    for (std::uint16_t index = 0; index <= requests; ++index) start(index);
    for (std::size_t i = 0; i < commands; ++i) add_command(60);
    queues_.at(requests)->kick();
    settle();
    const auto function = reset_unit();
    settle();
    std::size_t stopped = 0;
    for (std::uint16_t index = 0; index <= requests; ++index)
        path_->stop(index, [&](std::uint16_t) { ++stopped; });
    for (std::size_t i = 0; i < commands && stopped != 3; ++i) {
        unit_.complete_all();
        settle();
    }
    EXPECT_EQ(stopped, 3U);
    EXPECT_EQ(function.host[0], std::byte{0});
}

TEST_F(ScsiDeviceQueues, AnEventTakesNoBufferFromADisabledRing) {
    start(0);
    start(virtio_scsi::event_queue, false);
    auto& events = *queues_.at(virtio_scsi::event_queue);
    const auto in = memory_.allocate(virtio_scsi::Event::size);
    ASSERT_TRUE(events.ring.add(std::array{driver::from_device(in)}));
    events.submit();
    settle();
    controller_->report(virtio_scsi::transport_reset(0, virtio_scsi::TransportReset::rescan));
    settle();
    EXPECT_FALSE(events.ring.take_used());
    path_->enable(virtio_scsi::event_queue, true);
    settle();
    ASSERT_TRUE(events.ring.take_used());
    std::uint32_t event = 0;
    std::memcpy(&event, in.host, sizeof event);
    EXPECT_EQ(event, virtio_scsi::Event::missed);
}

}  // namespace
}  // namespace zonebridge::service
