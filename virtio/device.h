// What a device does with its queues on one worker's thread, whichever way its chains come in.
//
// Threads: belongs to one thread.
// Ownership: borrows each VirtQueue from attach to detach.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "virtio/virtqueue.h"

namespace zonebridge::virtio {

class Device {
  public:
    virtual ~Device() = default;

    /// From now on take(index) serves `queue`. Throws std::bad_alloc, with nothing changed.
    virtual void attach(std::uint16_t index, VirtQueue& queue) = 0;
    /// Nothing of that queue is in flight.
    virtual void detach(std::uint16_t index) noexcept = 0;

    /// Bytes that attach needs at most for a ring of `size` descriptors. Any thread.
    [[nodiscard]] virtual std::size_t bytes_for(std::uint16_t size) const noexcept = 0;

    /// Takes the chains that wait on queue `index` and hands them on. True when it took all there were;
    /// false when it leaves them for later, and needs no kick for them.
    [[nodiscard]] virtual bool take(std::uint16_t index) noexcept = 0;
    /// Chains of queue `index` wait for what chains in flight hold: take again once some of these are
    /// answered.
    [[nodiscard]] virtual bool waits(std::uint16_t index) const noexcept = 0;
    /// Collects what is done and pushes the answers to their queues; the caller publishes.
    virtual void complete() noexcept = 0;

    /// The driver sees everything that was pushed before. True: this pushed more, to be published too.
    [[nodiscard]] virtual bool published() noexcept { return false; }

    /// Chains of queue `index` that were taken, by this or by a server before, and are not answered.
    [[nodiscard]] virtual std::size_t in_flight(std::uint16_t index) const noexcept = 0;

    /// What the driver did that no driver does, once it has: the session is to end.
    [[nodiscard]] virtual const std::optional<std::string>& fault() const noexcept = 0;
};

}  // namespace zonebridge::virtio
