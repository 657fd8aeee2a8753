#include <unistd.h>

#include "tests/unit/virtio/simulated_kernel.h"
#include "virtio/vduse/kernel_device.h"

namespace zonebridge::virtio::vduse {
namespace {

class VduseKernelDevice : public SimulatedDevice {
  protected:
    [[nodiscard]] bool has_record() const {
        return ::access((folder_ / "state/vduse-disk").c_str(), F_OK) == 0;
    }
};

TEST_F(VduseKernelDevice, KeepsItsConfigurationSpace) {
    auto made = make_device();
    auto device = std::move(made);
    config_.assign(60, std::byte{1});
    ASSERT_EQ(device.shape().config.size(), 60U);
    EXPECT_EQ(device.shape().config[0], std::byte{0}) << "a copy of its own";
    ASSERT_TRUE(device.set_config(config_));
    EXPECT_EQ(device.shape().config[59], std::byte{1});
}

TEST_F(VduseKernelDevice, IsDestroyedWithItsRecordWhenItIsNotOnTheBus) {
    auto device = make_device();
    EXPECT_FALSE(device.gone());
    EXPECT_TRUE(has_record());
    kernel.on_bus = false;
    const auto destroyed = device.destroy();
    ASSERT_TRUE(destroyed) << destroyed.error();
    EXPECT_TRUE(device.gone());
    EXPECT_FALSE(has_record());
}

TEST_F(VduseKernelDevice, StaysWithItsRecordWhenItIsOnTheBus) {
    auto device = make_device();
    const auto destroyed = device.destroy();
    ASSERT_FALSE(destroyed);
    EXPECT_NE(destroyed.error().find("still on the vDPA bus"), std::string::npos);
    EXPECT_TRUE(has_record());
    // There is no /dev/vduse/disk to open again.
    EXPECT_NE(destroyed.error().find("can't be served any more"), std::string::npos);
    EXPECT_TRUE(device.gone());
}

}  // namespace
}  // namespace zonebridge::virtio::vduse
