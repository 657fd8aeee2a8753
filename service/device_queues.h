// One device's queues on one worker: watches their kicks, lets the device take and answer chains,
// publishes answers and notifies the driver, and stops queues cleanly.
//
// Threads: belongs to the worker's thread, which also calls the functions given to stop() and
// set_memory().
// Ownership: owns its running queues, their descriptors and the guest memory they use; borrows the
// loop and the device.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "service/recovery_gate.h"
#include "service/worker.h"
#include "transports/doorbell.h"
#include "virtio/backend.h"
#include "virtio/device.h"
#include "zone/loop.h"

namespace zonebridge::service {

class DeviceQueues final : public Member {
  public:
    /// `on_fault` is called once, when a driver breaks the rules of the ring or the device.
    DeviceQueues(Loop& loop, virtio::Device& device, std::function<void(std::string)> on_fault);
    DeviceQueues(const DeviceQueues&) = delete;
    DeviceQueues& operator=(const DeviceQueues&) = delete;
    /// Requires that all queues are stopped.
    ~DeviceQueues();

    /// Makes what notifies the driver of that queue, for any session: start() makes no descriptors
    /// then.
    [[nodiscard]] tl::expected<void, Error> prepare(std::uint16_t index);

    void take() noexcept override;
    void complete() noexcept override;

    // Recovered chains: those that an earlier server took and never answered.

    /// From now on no chain is taken before `gate` is open. Recovered chains wait for recover().
    void hold(std::shared_ptr<RecoveryGate> gate);
    /// All rings that may hold recovered chains have started: answers these chains, then arrives at
    /// the gate. A ring that starts later gets errors for such chains.
    void recover();

    /// Fails if the ring is not in the guest's memory, or this process has no memory for the queue.
    [[nodiscard]] tl::expected<void, std::string> start(std::uint16_t index,
                                                        const virtio::QueueSetup& setup);
    /// Takes no more chains of that queue; once those in flight are answered and the driver is
    /// notified, forgets the ring and calls `stopped` with its available index.
    void stop(std::uint16_t index, std::function<void(std::uint16_t)> stopped);

    /// Chains of that queue that the device took and did not answer.
    [[nodiscard]] std::size_t in_flight(std::uint16_t index) const noexcept {
        return device_.in_flight(index);
    }
    /// Chains in flight of queues that are stopping.
    [[nodiscard]] std::size_t left_behind() const noexcept;
    /// Stopping queues notify their driver no more: the driver's session is over.
    void abandon() noexcept;

    void enable(std::uint16_t index, bool enabled);
    void set_call(std::uint16_t index, virtio::Notifier call);
    void set_error(std::uint16_t index, SharedFd error);
    void set_log(std::shared_ptr<const virtio::DirtyLog> log,
                 std::span<const std::optional<std::uint64_t>> used_rings);

    /// Takes no chains until nothing is in flight, moves every queue to `memory`, releases the old
    /// map, calls `moved`, and goes on.
    void set_memory(virtio::GuestMemory::Table memory,
                    std::function<void(tl::expected<void, std::string>)> moved);

  private:
    struct Queue;
    using Moved = std::function<void(tl::expected<void, std::string>)>;

    [[nodiscard]] tl::expected<void, std::string> start(std::uint16_t index,
                                                        const virtio::QueueSetup& setup,
                                                        bool& watching);
    [[nodiscard]] Queue* find(std::uint16_t index) noexcept;
    void take_from(Queue& queue) noexcept;
    void publish() noexcept;
    void connect(Queue& queue, virtio::Notifier call);
    void finish_recovery();
    void finish_stops();
    void finish_move();
    void raise(std::string fault);
    void wake() noexcept { loop_.note_ready(); }

    Loop& loop_;
    Ring* ring_;  // the loop, if it can ring a doorbell in passing
    virtio::Device& device_;
    std::function<void(std::string)> on_fault_;
    virtio::GuestMemory::Table memory_;
    std::shared_ptr<const virtio::DirtyLog> log_;
    std::map<std::uint16_t, std::unique_ptr<Doorbell>> bells_;  // of every queue that ever ran
    std::vector<std::unique_ptr<Queue>> queues_;
    bool changing_ = false;  // a stop or a move waits for chains in flight
    virtio::GuestMemory::Table next_memory_;
    Moved moved_;
    bool faulty_ = false;
    std::shared_ptr<RecoveryGate> gate_;  // null: open
    bool waits_for_rings_ = false;        // from hold() to recover()
    bool recovering_ = false;             // from recover() until all is answered
};

}  // namespace zonebridge::service
