// The implementation of session.h: the state of the kernel's device, of its driver and of each
// queue.
//
// A queue is started when its ring holds a chain, and not before. With virtio_vdpa the driver's
// buffers are in no memory map before the first of them exists, and no message announces it; with
// vhost_vdpa a queue may become ready after DRIVER_OK without a message. The first kick comes after
// both, so the session watches the kicks of queues that do not run.
//
// Threads: belongs to one thread.
// Ownership: owns the node, the record and the kick descriptors; borrows the Backend.
#pragma once

#include <memory>
#include <optional>
#include <poll.h>
#include <string>
#include <vector>

#include "virtio/vduse/device.h"
#include "virtio/vduse/iotlb.h"
#include "virtio/vduse/record.h"
#include "virtio/vduse/session.h"

namespace zonebridge::virtio::vduse {

class LiveSession final : public Session {
    using Result = tl::expected<void, std::string>;

  public:
    struct Parts {
        DeviceOptions options;
        Control control;
        Record record;
        Node node;
        std::shared_ptr<const InflightArea> inflight;
        bool resumed;
    };

    LiveSession(Parts parts, Shape shape, Backend& backend, Log log);
    ~LiveSession() override;

    /// Sets up the queues and their kick descriptors.
    [[nodiscard]] Result prepare();

    [[nodiscard]] bool resumed() const noexcept override { return resumed_; }
    [[nodiscard]] SessionEnd run(int stop) override;
    [[nodiscard]] Result destroy() override;

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

    // live_session.cc
    [[nodiscard]] Result answer_requests();
    [[nodiscard]] Result answer(const vduse_dev_request& request);
    [[nodiscard]] bool set_status(std::uint8_t status);
    [[nodiscard]] bool accept_features();
    [[nodiscard]] bool driver_ok();
    [[nodiscard]] std::optional<std::uint16_t> queue_state(std::uint32_t index);
    void resume();
    void take_events();
    void take_kicks(std::span<const pollfd> waits);
    [[nodiscard]] Result set_kicks();
    /// False: the disk holds requests, and the reset stays due as long as it does.
    [[nodiscard]] bool reset();
    /// Releases the driver's memory and queues. An error while the disk holds requests: their
    /// memory stays in use.
    [[nodiscard]] Result let_go(ResetCause cause);

    // session_queues.cc
    [[nodiscard]] Result map_memory();
    void look(std::uint16_t index);
    void look_at_all();
    [[nodiscard]] tl::expected<bool, std::string> start_if_busy(std::uint16_t index);
    [[nodiscard]] std::uint16_t base_of(std::uint16_t index, const vduse_vq_info& info,
                                        std::uint16_t used_index) const;
    void await_interrupts(std::uint16_t index) const noexcept;
    /// An error if requests of the queue were still at the disk at the deadline. The queue takes no
    /// more; call stop() again to wait once more.
    [[nodiscard]] Result stop(std::uint16_t index);
    [[nodiscard]] Result stop_all();
    /// The deadline of a wait for the disk that begins now.
    [[nodiscard]] Deadline deadline(std::chrono::milliseconds limit) const;
    void fault(std::string_view why);

    DeviceOptions options_;
    Shape shape_;  ///< Its config refers to options_.
    Control control_;
    Record record_;
    std::optional<Node> node_;  ///< Empty once destroyed.
    std::shared_ptr<const InflightArea> inflight_;
    Backend& backend_;
    Log log_;
    bool resumed_;
    bool to_resume_;

    std::vector<Queue> queues_;
    std::optional<std::uint64_t> features_;  ///< Accepted by the driver, without access_platform.
    bool faulty_ = false;                    ///< The driver broke the rules; until its reset.
    bool reset_due_ = false;                 ///< The driver's reset waits for the disk.
    Deadline drained_by_;                    ///< The deadline of the current wait for the disk.
    bool unknown_logged_ = false;
    std::vector<Extent> extents_;  ///< What memory_ was built from.
    GuestMemory::Table memory_;
};

}  // namespace zonebridge::virtio::vduse
