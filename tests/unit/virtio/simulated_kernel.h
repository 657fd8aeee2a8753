// A simulated kernel for one VDUSE device (a mock): this program's own ioctl() answers the session's
// questions about the device and its driver. Messages go over a socket pair.
//
// Threads: the kernel is global, because ioctl() is. A test changes the kernel's state only while no other
// thread asks for that state.
// Ownership: a SimulatedDevice owns the driver's memory and the kernel's end of the socket pair.
#pragma once

#include <cstdint>
#include <linux/vduse.h>
#include <memory>
#include <optional>
#include <vector>

#include <gtest/gtest.h>

#include "tests/driver/front_end.h"
#include "tests/driver/shared_memory.h"
#include "tests/unit/support/temporary.h"
#include "tests/unit/virtio/echo_backend.h"
#include "virtio/vduse/kernel_device.h"

namespace zonebridge::virtio::vduse {

/// What the kernel knows of the one device.
struct SimulatedKernel {
    int control = -1;
    bool on_bus = true;  ///< The device can't be destroyed.
    int device = -1;
    std::uint64_t features = 0;
    int memory = -1;
    std::uint64_t memory_size = 0;
    vduse_vq_info queue{};  ///< Queue 0; the others are not ready.
};
extern SimulatedKernel kernel;

class SimulatedDevice : public testing::Test {
  protected:
    static constexpr std::uint64_t memory_size = 0x100000;
    static constexpr std::uint16_t queue_size = 16;

    SimulatedDevice();
    ~SimulatedDevice() override { kernel = {}; }

    /// The device of the kernel, for the one session or queues of the test.
    [[nodiscard]] KernelDevice make_device();
    /// The driver makes queue 0 ready, with one request in its ring.
    void make_ready();

    EchoBackend backend_;
    driver::SharedMemory memory_;
    std::unique_ptr<driver::Ring> ring_;
    test::TemporaryFolder folder_;
    std::vector<std::byte> config_;
    UniqueFd kernel_side_;

  private:
    UniqueFd device_side_;
};

}  // namespace zonebridge::virtio::vduse
