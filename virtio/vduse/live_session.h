// The session behind session.h: what it knows of the kernel's device, of its driver and of each
// queue.
//
// A queue is started when there is something in it, and not before. By virtio_vdpa the driver's
// buffers are in no memory map before the first of them exists, and nobody tells when it does; by
// vhost_vdpa a queue may become ready after DRIVER_OK without a word. The first kick comes after
// both, so the kicks of queues that do not run are the session's to watch.
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

    /// Queues set up, kicks asked for.
    [[nodiscard]] Result prepare();

    [[nodiscard]] bool resumed() const noexcept override { return resumed_; }
    [[nodiscard]] SessionEnd run(int stop) override;
    [[nodiscard]] Result destroy() override;

  private:
    struct Queue {
        SharedFd kick;
        bool running = false;
        bool stopping =
            false;  ///< It runs still, since the disk did not give back its requests in time.
        /// Its state was asked for, so it stands still until it is kicked.
        bool held = false;
        /// Where to go on, once it ran in this process.
        std::optional<std::uint16_t> base;
        /// What the kernel gave as its start when it was last started: a new value there is the
        /// driver's, and counts.
        std::uint16_t given_base = 0;
        VirtQueue::Config ring;  ///< While it runs.
    };

    // session.cc
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
    /// False: the disk holds requests, and the reset is due as long as it does.
    [[nodiscard]] bool reset();
    /// An error while the disk holds requests: their memory stays in use.
    [[nodiscard]] Result let_go(ResetCause cause);

    // session_queues.cc
    [[nodiscard]] Result map_memory();
    void look(std::uint16_t index);
    void look_at_all();
    [[nodiscard]] tl::expected<bool, std::string> start_if_busy(std::uint16_t index);
    [[nodiscard]] std::uint16_t base_of(std::uint16_t index, const vduse_vq_info& info,
                                        std::uint16_t used_index) const;
    void await_interrupts(std::uint16_t index) const noexcept;
    /// An error if requests of the queue were still at the disk in time. It takes no more; stop() may be
    /// called again.
    [[nodiscard]] Result stop(std::uint16_t index);
    [[nodiscard]] Result stop_all();
    /// When a wait for the disk has to end that begins now.
    [[nodiscard]] Deadline deadline(std::chrono::milliseconds limit) const;
    void fault(std::string_view why);

    DeviceOptions options_;
    Shape shape_;  ///< Its config views options_.
    Control control_;
    Record record_;
    std::optional<Node> node_;  ///< Empty once destroyed.
    std::shared_ptr<const InflightArea> inflight_;
    Backend& backend_;
    Log log_;
    bool resumed_;
    bool to_resume_;

    std::vector<Queue> queues_;
    std::optional<std::uint64_t> features_;  ///< The driver's, accepted, but for the platform's.
    bool faulty_ = false;                    ///< The driver was at fault; until its reset.
    bool reset_due_ = false;                 ///< The driver's reset waits for the disk.
    Deadline drained_by_;                    ///< For what waits for the disk now.
    bool unknown_logged_ = false;
    std::vector<Extent> extents_;  ///< What memory_ was built from.
    GuestMemory::Table memory_;
};

}  // namespace zonebridge::virtio::vduse
