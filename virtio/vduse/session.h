// One VDUSE device: the kernel's /dev/vduse/NAME, whose driver is the host's own (virtio_vdpa) or a
// guest's (vhost_vdpa), and the Backend that does its work.
//
// The kernel keeps the device when this process ends, and with it whatever drives it: a process
// that opens the same name goes on where the last one stopped, also after kill -9. What was in
// flight then is found in a record in `state_folder`. docs/decisions/vduse.md.
//
// Joining and leaving the vDPA bus ("vdpa dev add", "vdpa dev del") make the kernel ask this device
// things and wait for the answers: run() has to be at work meanwhile, so the bus is another
// thread's business.
//
// Threads: belongs to one thread.
// Ownership: owns the device's descriptor and the record; borrows the Backend. Destroyed without
// destroy(), every queue is stopped, the Backend is reset and the kernel's device waits for the
// next process.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "virtio/backend.h"
#include "virtio/session_end.h"

namespace zonebridge::virtio::vduse {

/// How long the session waits for requests at a disk. A message of the kernel's that is not answered
/// within 30 s (/sys/class/vduse/NAME/msg_timeout) breaks the device for good.
struct WaitLimits {
    std::chrono::milliseconds message{
        20'000};  ///< In one message; then the kernel is told that it failed.
    std::chrono::milliseconds between{5'000};  ///< While no message waits; one may come meanwhile.
};

struct DeviceOptions {
    static constexpr std::uint32_t zonebridge_vendor = 0x5a42;  // "ZB"

    /// Of /dev/vduse/NAME: 1 to 63 of A-Z a-z 0-9 _ . - and no dot in front.
    std::string name;
    std::uint32_t device_id = 2;  ///< As virtio numbers them; the kernel takes 2, a block device.
    std::uint32_t vendor_id = zonebridge_vendor;
    std::uint16_t queue_size = 256;  ///< Of every ring: a power of two.
    std::vector<std::byte> config;   ///< The configuration space, which the driver only reads.
    /// Where the record of requests in flight is kept; made if need be. It has to be this user's
    /// alone, and ought to be gone after a boot.
    std::string state_folder = "/run/zonebridge";
    /// Made smaller for a device whose msg_timeout is smaller than the kernel's own.
    WaitLimits limits;
};

/// Lines for the log that end nothing; called on the session's thread.
using Log = std::function<void(std::string_view)>;

class Session {
  public:
    /// Makes the kernel's device, with the Backend's queues and features, or takes over the one
    /// that a process before this one left. Fails, in words, if there is no VDUSE here, the name is
    /// another process's, or what it left does not fit and is on the vDPA bus.
    [[nodiscard]] static tl::expected<std::unique_ptr<Session>, std::string> open(
        const DeviceOptions& options, Backend& backend, Log log);
    virtual ~Session() = default;
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    /// The kernel's device was there already; it may be on the vDPA bus, with a driver at work.
    [[nodiscard]] virtual bool resumed() const noexcept = 0;

    /// Answers the kernel until `stop` is readable, or the device is beyond help. May be called
    /// again after `stopped`, nothing has changed then: so can a process that is to end still
    /// answer while the device leaves the vDPA bus.
    [[nodiscard]] virtual SessionEnd run(int stop) = 0;

    /// Ends the kernel's device and removes the record. The device must have left the vDPA bus:
    /// fails otherwise, and the session goes on as it was. After a success only the destructor may
    /// be called.
    [[nodiscard]] virtual tl::expected<void, std::string> destroy() = 0;

  protected:
    Session() = default;
};

/// What this host lacks for VDUSE, and what to do about it; nothing if it is all there.
[[nodiscard]] std::optional<std::string> missing();

/// The limits for a device whose msg_timeout is that; 0: it has none.
[[nodiscard]] WaitLimits fitting(WaitLimits limits, std::chrono::seconds message_timeout);

/// Why that is no name for a device, if it is none.
[[nodiscard]] std::optional<std::string> bad_name(std::string_view name);

}  // namespace zonebridge::virtio::vduse
