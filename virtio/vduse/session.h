// One VDUSE device: connects the kernel's /dev/vduse/NAME, whose driver is the host's own
// (virtio_vdpa) or a guest's (vhost_vdpa), to a Backend.
//
// The kernel keeps the device and its driver when this process ends: a process that opens the same
// name continues where the last one stopped, also after kill -9. A record in `state_folder` holds
// the requests in flight. docs/decisions/vduse.md.
//
// When the device joins or leaves the vDPA bus ("vdpa dev add", "vdpa dev del") the kernel sends
// this device requests and waits for the answers. run() has to run meanwhile, so another thread
// handles the bus.
//
// Threads: belongs to one thread.
// Ownership: owns the kernel's device and its queues; borrows the Backend. Without destroy(), the
// destructor stops every queue and resets the Backend, and the kernel's device waits for the next
// process.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "virtio/backend.h"
#include "virtio/vduse/kernel_device.h"
#include "virtio/vduse/queues.h"

namespace zonebridge::virtio::vduse {

/// How long the session waits for requests at a disk. A kernel message that is not answered within
/// 30 s (/sys/class/vduse/NAME/msg_timeout) breaks the device for good.
struct WaitLimits {
    std::chrono::milliseconds message{20'000};  ///< In one message; then the message fails.
    std::chrono::milliseconds between{
        5'000};  ///< While no message is pending; one may arrive meanwhile.
};

struct DeviceOptions {
    static constexpr std::uint32_t zonebridge_vendor = 0x5a42;  // "ZB"

    /// Of /dev/vduse/NAME: 1 to 63 of A-Z a-z 0-9 _ . - and no dot in front.
    std::string name;
    std::uint32_t device_id = 2;  ///< The virtio device ID; the kernel accepts 2, a block device.
    std::uint32_t vendor_id = zonebridge_vendor;
    std::uint16_t queue_size = 256;  ///< Of every ring: a power of two.
    std::vector<std::byte> config;   ///< The configuration space; read-only for the driver.
    /// The folder of the record of requests in flight; created if need be. It has to be writable by
    /// this user only, and should not survive a boot.
    std::string state_folder = "/run/zonebridge";
    /// Reduced for a device whose msg_timeout is smaller than the kernel's default.
    WaitLimits limits;
};

class Session {
    using Result = tl::expected<void, std::string>;

  public:
    /// Makes the kernel's device, with the Backend's queues and features, or takes over the device
    /// of an earlier process. Fails if this host lacks VDUSE, another process uses the name, or the
    /// existing device has other parameters and is on the vDPA bus.
    [[nodiscard]] static tl::expected<std::unique_ptr<Session>, std::string> open(
        const DeviceOptions& options, Backend& backend, Log log);
    /// open() calls this; tests pass a substitute for the kernel's device. Call prepare() before run().
    Session(KernelDevice device, WaitLimits limits, Backend& backend, Log log);
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
    ~Session();

    /// Sets up the queues and their kick descriptors.
    [[nodiscard]] Result prepare() { return queues_.prepare(); }

    /// The kernel's device existed already; it may be on the vDPA bus, with an active driver.
    [[nodiscard]] bool resumed() const noexcept { return device_.resumed(); }

    /// Answers the kernel until `stop` is readable, or the device has failed. May be called again
    /// after `stopped`: a process that is about to end can thus still answer while the device
    /// leaves the vDPA bus.
    [[nodiscard]] SessionEnd run(int stop);

    /// Destroys the kernel's device and removes the record. Fails unless the device has left the
    /// vDPA bus; the session then goes on. After a success only the destructor may be called.
    [[nodiscard]] Result destroy();

  private:
    [[nodiscard]] Result answer_requests();
    [[nodiscard]] Result answer(const vduse_dev_request& request);
    [[nodiscard]] bool set_status(std::uint8_t status);
    [[nodiscard]] bool accept_features();
    [[nodiscard]] bool driver_ok();
    void resume();
    void take_events();
    void change_config();
    /// False: the disk holds requests, and the reset stays due as long as it does.
    [[nodiscard]] bool reset();

    KernelDevice device_;
    WaitLimits limits_;
    Backend& backend_;
    Log log_;
    Queues queues_;
    bool to_resume_;          ///< A driver may be using the device since an earlier process.
    bool reset_due_ = false;  ///< The driver's reset waits for the disk.
    bool unknown_logged_ = false;
};

/// The limits for a device with that msg_timeout; 0: no timeout.
[[nodiscard]] WaitLimits fitting(WaitLimits limits, std::chrono::seconds message_timeout);

}  // namespace zonebridge::virtio::vduse
