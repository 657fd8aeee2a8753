// One device's queues on one worker, turned by the test: what is taken from which ring, and when.
#include "service/data_path.h"

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/driver/blk.h"
#include "tests/unit/service/direct_driver.h"
#include "tests/unit/support/hand_loop.h"
#include "tests/unit/support/machine_disk.h"
#include "virtio-blk/device.h"
#include "virtio/ring.h"

namespace zonebridge::service {
namespace {

class BlkDataPath : public testing::Test {
  protected:
    static constexpr std::uint64_t features = virtio::feature::version_1 |
                                              virtio::feature::event_index |
                                              virtio::feature::indirect_descriptors;

    explicit BlkDataPath(driver::RingOptions options = {
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
    ~BlkDataPath() override {
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
    std::optional<DataPath> path_;
    std::unique_ptr<driver::Queue> queue_;
    std::vector<std::string> faults_;
};

TEST_F(BlkDataPath, AChainMoreThanTheRingHasDescriptorsIsAFault) {
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

}  // namespace
}  // namespace zonebridge::service
