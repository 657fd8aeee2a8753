// The device that a vhost-user or VDUSE session drives. Every call becomes a message to the workers
// that run the device's queues, and returns when the workers concerned have handled it. Worker i %
// N runs queue i. The workers share nothing here: each has its own device object and its own
// storage queue.
//
// Threads: belongs to the session's thread, except where a function says otherwise; reaches the
// workers by messages only.
// Ownership: owns each worker's data path and device; borrows the workers.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "base/unique_fd.h"
#include "service/answers.h"
#include "service/device_queues.h"
#include "service/worker.h"
#include "transports/doorbell.h"
#include "virtio/backend.h"

namespace zonebridge::service {

/// What all devices have in common; derived classes add a device's features and configuration
/// space.
class DeviceBackend : public virtio::Backend {
  public:
    /// Limit in bytes for the chains in flight of all running queues: the front end chooses how
    /// many queues there are and how long they are. Enough for 150 queues of 1024 descriptors.
    static constexpr std::size_t most_queue_bytes = std::size_t{256} << 20;

    ~DeviceBackend() override;

    [[nodiscard]] std::uint16_t max_queue_size() const noexcept override { return 1024; }
    [[nodiscard]] tl::expected<void, std::string> set_features(std::uint64_t features) override;
    [[nodiscard]] tl::expected<void, std::string> set_memory(virtio::GuestMemory::Table memory,
                                                             virtio::Deadline deadline) override;
    void set_log(std::shared_ptr<const virtio::DirtyLog> log,
                 std::span<const std::optional<std::uint64_t>> used_rings) override;
    [[nodiscard]] bool is_eventfd(int fd) noexcept override;
    [[nodiscard]] tl::expected<void, std::string> start_queue(
        std::uint16_t index, const virtio::QueueSetup& setup) override;
    [[nodiscard]] tl::expected<std::uint16_t, std::string> stop_queue(
        std::uint16_t index, virtio::Deadline deadline) override;
    void enable_queue(std::uint16_t index, bool enabled) override;
    void set_call(std::uint16_t index, virtio::Notifier call) override;
    void set_error(std::uint16_t index, SharedFd error) override;
    void reset(virtio::ResetCause cause) override;
    [[nodiscard]] std::optional<int> event_fd() const noexcept override;
    [[nodiscard]] std::optional<virtio::BackendEvent> take_event() override;

  protected:
    /// Makes a worker's device object, on the worker's thread; called for one worker after the
    /// other.
    using MakeDevice =
        std::function<tl::expected<std::unique_ptr<virtio::Device>, Error>(Loop& loop)>;

    /// At least one worker.
    explicit DeviceBackend(std::span<const std::unique_ptr<Worker>> workers);
    [[nodiscard]] tl::expected<void, Error> open(const MakeDevice& make);
    // Call these only after open() succeeded, and on no worker's thread.

    /// Runs `call` for each worker's device on that worker's thread, in parallel, and waits for
    /// all.
    void with_devices(const std::function<void(virtio::Device&)>& call);
    /// The same, one worker after the other. Use it for calls that wait for a storage queue: such a
    /// wait needs the other workers' loops to turn.
    void with_each_device(const std::function<void(virtio::Device&)>& call);
    /// The same for the worker that runs that queue.
    void with_device_of(std::uint16_t queue, const std::function<void(virtio::Device&)>& call);
    [[nodiscard]] std::size_t worker_count() const noexcept { return parts_.size(); }
    /// The guest of an earlier server goes on: its record of requests in flight was used before.
    virtual void continue_guest() {}
    /// The device's own part of reset(); the queues are stopped.
    virtual void reset_device(virtio::ResetCause cause) = 0;
    /// Copies `out.size()` bytes at `offset` of the configuration space `bytes`; zeroes past its
    /// end.
    static void copy_config(std::span<const std::byte> bytes, std::uint32_t offset,
                            std::span<std::byte> out) noexcept;
    /// Queues an event for the session. Any thread. Only the first fault since the last reset is
    /// queued: it ends the session.
    void raise(virtio::BackendEvent event);

  private:
    /// One worker's part of the device.
    struct Part {
        Worker* worker;
        std::unique_ptr<virtio::Device> device;  // used on the worker's thread only
        std::unique_ptr<DeviceQueues> path;      // used on the worker's thread only
    };

    [[nodiscard]] Part& part_of(std::uint16_t queue) { return parts_[queue % parts_.size()]; }
    /// Waits until the messages that the workers' devices sent each other, and the answers, have
    /// arrived.
    void settle();
    /// Runs `call` on every worker's thread, in parallel, and waits for all.
    void on_all(const std::function<void(Part&)>& call);
    /// Moves every worker's queues to `memory`; fails with the first worker's error.
    [[nodiscard]] tl::expected<void, std::string> move_all(const virtio::GuestMemory::Table& memory,
                                                           virtio::Deadline deadline);
    /// A queue with a record starts. If the record is a new one, holds back all queues until each
    /// queue that it has chains of has started.
    void expect_recovery(const virtio::QueueSetup& setup);
    /// All queues of the record that can start have: lets the workers answer its chains.
    void recover();
    /// An error while a disk still holds requests of an earlier session's guest.
    [[nodiscard]] tl::expected<void, std::string> check_drained();
    [[nodiscard]] std::size_t left_behind();

    std::vector<Part> parts_;               // one per worker, fixed from construction on
    std::vector<std::size_t> queue_bytes_;  // per queue; 0 while the queue does not run
    virtio::GuestMemory::Table memory_ = virtio::GuestMemory::none();
    std::shared_ptr<const virtio::InflightArea> record_;  // of the queues that were started last
    std::set<std::uint16_t> awaited_;  // queues that `record_` has chains of, and that do not run
    /// Queues that did not stop in time: the answers that they give when they stop.
    std::map<std::uint16_t, Answers<std::uint16_t>> stopping_;
    /// A reset that waits until the disk has returned the requests of the queues in stopping_.
    std::optional<virtio::ResetCause> reset_due_;
    std::unique_ptr<Doorbell> judge_;  // of descriptors; never rung
    UniqueFd event_fd_;
    std::mutex events_lock_;
    std::vector<virtio::BackendEvent> events_;  // under events_lock_
    bool faulty_ = false;                       // under events_lock_
};

}  // namespace zonebridge::service
