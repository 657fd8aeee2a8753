// A device as a session sees it, by vhost-user or VDUSE: every call becomes a message to the workers that run
// the device's queues, and returns when all it concerns have done their part. Queue i is worker i % N's; the
// workers share nothing here, each has a device of its own with its own way to the disk.
//
// Threads: belongs to the session's thread, but for what says otherwise; reaches the workers by messages
// only.
// Ownership: owns each worker's data path and device; borrows the workers.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "service/answers.h"
#include "service/data_path.h"
#include "service/worker.h"
#include "virtio/backend.h"
#include "virtio/unique_fd.h"

namespace zonebridge::service {

/// What all devices have in common; what is a device's own (features, configuration space) is left
/// to a class beside it.
class DeviceBackend : public virtio::Backend {
  public:
    ~DeviceBackend() override;

    [[nodiscard]] std::uint16_t max_queue_size() const noexcept override { return 1024; }
    [[nodiscard]] tl::expected<void, std::string> set_features(std::uint64_t features) override;
    [[nodiscard]] tl::expected<void, std::string> set_memory(virtio::GuestMemory::Table memory,
                                                             virtio::Deadline deadline) override;
    void set_log(std::shared_ptr<const virtio::DirtyLog> log,
                 std::span<const std::optional<std::uint64_t>> used_rings) override;
    [[nodiscard]] tl::expected<void, std::string> start_queue(
        std::uint16_t index, const virtio::QueueSetup& setup) override;
    [[nodiscard]] tl::expected<std::uint16_t, std::string> stop_queue(
        std::uint16_t index, virtio::Deadline deadline) override;
    void enable_queue(std::uint16_t index, bool enabled) override;
    void set_call(std::uint16_t index, virtio::Notifier call) override;
    void set_error(std::uint16_t index, virtio::SharedFd error) override;
    void reset(virtio::ResetCause cause) override;
    [[nodiscard]] std::optional<int> event_fd() const noexcept override;
    [[nodiscard]] std::optional<virtio::BackendEvent> take_event() override;

  protected:
    /// Makes a worker's side of the device, on the worker's thread; called for one after the other.
    using MakeDevice =
        std::function<tl::expected<std::unique_ptr<virtio::Device>, Error>(Loop& loop)>;

    /// At least one worker.
    explicit DeviceBackend(std::span<const std::unique_ptr<Worker>> workers);
    [[nodiscard]] tl::expected<void, Error> open(const MakeDevice& make);
    // Only once open() succeeded, and from any thread but the workers'.

    /// Runs `call` for each worker's device on that worker's thread, side by side, and waits for all.
    void with_devices(const std::function<void(virtio::Device&)>& call);
    /// The same, one worker after the other: what waits for a storage queue needs the others to turn.
    void with_each_device(const std::function<void(virtio::Device&)>& call);
    /// The same for the worker that has that queue.
    void with_device_of(std::uint16_t queue, const std::function<void(virtio::Device&)>& call);
    [[nodiscard]] std::size_t worker_count() const noexcept { return parts_.size(); }
    /// The device's own part of reset(); the queues are stopped.
    virtual void reset_device(virtio::ResetCause cause) = 0;
    /// What lies `offset` bytes into a configuration space of `bytes`, with zeroes behind its end.
    static void copy_config(std::span<const std::byte> bytes, std::uint32_t offset,
                            std::span<std::byte> out) noexcept;
    /// Any thread. Of faults, only the first since the last reset is told: it ends the session.
    void tell(virtio::BackendEvent event);

  private:
    /// What one worker has of the device.
    struct Part {
        Worker* worker;
        std::unique_ptr<virtio::Device> device;  // the worker's
        std::unique_ptr<DataPath> path;          // the worker's
    };

    [[nodiscard]] Part& part_of(std::uint16_t queue) { return parts_[queue % parts_.size()]; }
    /// Messages that the workers' devices sent to each other have come, and what they answered to them.
    void settle();
    /// Runs `call` on every worker's thread, side by side, and waits for all.
    void on_all(const std::function<void(Part&)>& call);
    /// One result for each worker.
    [[nodiscard]] tl::expected<void, std::string> move_all(const virtio::GuestMemory::Table& memory,
                                                           virtio::Deadline deadline);
    /// An error as long as a disk holds requests of a guest that is gone.
    [[nodiscard]] tl::expected<void, std::string> check_drained();
    [[nodiscard]] std::size_t left_behind();

    std::vector<Part> parts_;  // as many as workers, from the start
    virtio::GuestMemory::Table memory_ = virtio::GuestMemory::none();
    /// Queues that did not stop in time: what they will say when they do.
    std::map<std::uint16_t, Answers<std::uint16_t>> stopping_;
    /// A reset that waits until the disk holds no requests of queues that were to stop before it.
    std::optional<virtio::ResetCause> reset_due_;
    virtio::UniqueFd event_fd_;
    std::mutex events_lock_;
    std::vector<virtio::BackendEvent> events_;  // under events_lock_
    bool faulty_ = false;                       // under events_lock_
};

}  // namespace zonebridge::service
