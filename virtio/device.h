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

    /// From now on take(index) serves `queue`.
    virtual void attach(std::uint16_t index, VirtQueue& queue) = 0;
    /// Nothing of that queue is in flight.
    virtual void detach(std::uint16_t index) noexcept = 0;

    /// Takes the chains that wait on queue `index` and hands them on. True when it took all there were;
    /// false when it leaves them for later, and needs no kick for them.
    [[nodiscard]] virtual bool take(std::uint16_t index) noexcept = 0;
    /// Collects what is done and pushes the answers to their queues; the caller publishes.
    virtual void complete() noexcept = 0;

    /// The driver sees everything that was pushed before. True: this pushed more, to be published too.
    [[nodiscard]] virtual bool published() noexcept { return false; }

    /// Chains of queue `index` that were taken and are not answered.
    [[nodiscard]] virtual std::size_t in_flight(std::uint16_t index) const noexcept = 0;

    /// What the driver did that no driver does, once it has: the session is to end.
    [[nodiscard]] virtual const std::optional<std::string>& fault() const noexcept = 0;
};

}  // namespace zonebridge::virtio
