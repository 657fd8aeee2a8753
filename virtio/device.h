// A device's part on one worker's thread: takes chains from its queues and answers them.
//
// Threads: belongs to the worker's thread.
// Ownership: borrows each VirtQueue from attach to detach.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "virtio/virtqueue.h"

namespace zonebridge::virtio {

/// What to do with recovered chains: those that an earlier server took and never answered.
enum class Lost : std::uint8_t {
    /// No chain was taken since: find out which were carried out, and carry out the others.
    judge,
    /// New chains were taken since: answer all, and change nothing on the medium.
    give_up,
};

class Device {
  public:
    virtual ~Device() = default;

    /// From now on take(index) serves `queue`. Its recovered chains wait for recover(), and take()
    /// takes none before they are answered. Throws std::bad_alloc, with nothing changed.
    virtual void attach(std::uint16_t index, VirtQueue& queue) = 0;
    /// Requires that nothing of that queue is in flight.
    virtual void detach(std::uint16_t index) noexcept = 0;

    /// The most bytes that attach needs for a ring of `size` descriptors. Any thread.
    [[nodiscard]] virtual std::size_t bytes_for(std::uint16_t size) const noexcept = 0;

    /// Takes the available chains of queue `index` and submits them. True if it took all of them;
    /// false if it leaves some for later, and needs no kick for them.
    [[nodiscard]] virtual bool take(std::uint16_t index) noexcept = 0;
    /// Chains of queue `index` wait for resources of chains in flight: take again once some of
    /// those are answered.
    [[nodiscard]] virtual bool waits(std::uint16_t index) const noexcept = 0;
    /// Reaps completions and pushes the answers to their queues; the caller publishes.
    virtual void complete() noexcept = 0;

    /// Begins to answer the recovered chains of all attached queues that have not begun. complete()
    /// goes on.
    virtual void recover(Lost lost) noexcept = 0;
    /// With Lost::judge: recovered chains of requests to a disk are not all answered.
    [[nodiscard]] virtual bool recovering() const noexcept = 0;
    /// All recovered chains of requests are answered, on every thread of the device, and the driver
    /// sees the answers.
    virtual void recovered() noexcept {}

    /// Called when the driver sees everything pushed before. True: this call pushed more, to be
    /// published too.
    [[nodiscard]] virtual bool published() noexcept { return false; }

    /// Chains of queue `index` that this server or an earlier one took and that are not answered.
    [[nodiscard]] virtual std::size_t in_flight(std::uint16_t index) const noexcept = 0;

    /// The driver's violation of the rules, once there is one: the session has to end.
    [[nodiscard]] virtual const std::optional<std::string>& fault() const noexcept = 0;
};

}  // namespace zonebridge::virtio
