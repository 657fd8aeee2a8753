// The queues of a VDUSE device, and the driver's memory that they lie in.
//
// A queue is started when its ring holds a chain, and not before. With virtio_vdpa the driver's
// buffers are in no memory map before the first of them exists, and no message announces it; with
// vhost_vdpa a queue may become ready after DRIVER_OK without a message. The first kick comes after
// both, so the session watches the kicks of queues that do not run.
//
// Queues run only while a driver has accepted features, and has not broken the rules since its
// last reset. A running queue lies in the memory that the Backend has. A queue whose requests the
// disk did not return in time still runs, but takes no more chains.
//
// Threads: belongs to the session's thread.
// Ownership: owns the kick descriptors and the memory; borrows the device, the Backend and the log.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <poll.h>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "virtio/backend.h"
#include "virtio/vduse/iotlb.h"
#include "virtio/vduse/kernel_device.h"

namespace zonebridge::virtio::vduse {

/// Log lines about events that do not end the session; called on the session's thread.
using Log = std::function<void(std::string_view)>;

class Queues {
    using Result = tl::expected<void, std::string>;

  public:
    Queues(const KernelDevice& device, Backend& backend, const Log& log);

    /// Sets up the queues in the kernel's device, with kick descriptors.
    [[nodiscard]] Result prepare();
    /// Sets the kick descriptors, which the kernel drops at each reset.
    [[nodiscard]] Result set_kicks() const;

    /// From now on, until the next call, all waits for the disk end after `limit`.
    void begin_wait(std::chrono::milliseconds limit);

    /// A driver accepted features and was not let go since.
    [[nodiscard]] bool has_driver() const noexcept { return features_.has_value(); }
    /// Queues may start from now on, with these features.
    void attach_driver(std::uint64_t features) noexcept { features_ = features; }
    /// Releases the driver's memory and queues, and resets the Backend. An error while the disk
    /// holds requests: their memory stays in use.
    [[nodiscard]] Result let_go(ResetCause cause);
    /// The driver's faults and indices are forgotten: its reset is complete.
    void forget();

    /// Moves to the driver's memory as the kernel has it now.
    [[nodiscard]] Result map_memory();

    /// Starts every queue whose ring holds a chain.
    void look_at_all();
    /// Logs `why` and stops all queues until the driver resets the device.
    void fault(std::string_view why);

    /// Adds an entry for each queue: those that do not run may have to start when they are kicked.
    void watch_kicks(std::vector<pollfd>& waits) const;
    void take_kicks(std::span<const pollfd> waits);

    /// VDUSE_GET_VQ_STATE: the queue stays stopped until it is kicked; the index to continue from.
    /// Nothing: there is no such queue, or the queue could not be stopped.
    [[nodiscard]] std::optional<std::uint16_t> hold(std::uint32_t index);

    /// A driver has made some queue ready.
    [[nodiscard]] bool any_ready() const;
    void interrupt_all() const noexcept;

  private:
    struct Queue {
        SharedFd kick;
        bool running = false;
        bool stopping = false;  ///< Still runs, since the disk did not return its requests in time.
        /// The kernel asked for its state, so the queue stays stopped until it is kicked.
        bool held = false;
        /// The index to continue from, once the queue ran in this process.
        std::optional<std::uint16_t> base;
        /// The kernel's start index when the queue was last started: a different value now was set
        /// by the driver, and counts.
        std::uint16_t given_base = 0;
        VirtQueue::Config ring;  ///< Valid while the queue runs.
    };

    void look(std::uint16_t index);
    [[nodiscard]] Result start_if_busy(std::uint16_t index);
    [[nodiscard]] std::uint16_t base_of(std::uint16_t index, const vduse_vq_info& info,
                                        std::uint16_t used_index) const;
    void await_interrupts(std::uint16_t index) const noexcept;
    /// An error if requests of the queue were still at the disk at the deadline. The queue takes no
    /// more; call stop() again to wait once more.
    [[nodiscard]] Result stop(std::uint16_t index);
    [[nodiscard]] Result stop_all();

    const KernelDevice& device_;
    Backend& backend_;
    const Log& log_;
    std::vector<Queue> queues_;
    std::optional<std::uint64_t> features_;  ///< Accepted by the driver, without access_platform.
    bool faulty_ = false;
    DriverMemory memory_;
    Deadline drained_by_;  ///< The deadline of the current wait for the disk.
};

}  // namespace zonebridge::virtio::vduse
