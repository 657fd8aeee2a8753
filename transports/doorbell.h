// Adds 1 to an eventfd of another program, and never waits: not for room in the counter, whatever
// flags the descriptor has. A write(2) may wait, because all holders of a descriptor share
// O_NONBLOCK and any of them may clear it; a signal from inside the kernel can't. A Doorbell is
// therefore a small io_uring whose only use is that the kernel signals the eventfd registered with
// it for each completion (docs/decisions/peers-descriptors.md).
//
// Threads: belongs to one thread at a time.
// Ownership: owns its ring; holds the eventfd, but not its descriptor, from connect() on.
#pragma once

#include <memory>

#include <liburing.h>
#include <tl/expected.hpp>

#include "transports/ring.h"
#include "zone/status.h"

namespace zonebridge {

class Doorbell {
    struct Private {};

  public:
    [[nodiscard]] static tl::expected<std::unique_ptr<Doorbell>, Error> create();

    explicit Doorbell(Private) {}  // by create()
    Doorbell(const Doorbell&) = delete;
    Doorbell& operator=(const Doorbell&) = delete;
    ~Doorbell();

    /// Rings that eventfd from now on, and no other. Fails if `fd` is not an eventfd (then `cause` is
    /// EINVAL or EBADF) or there is no memory; nothing is connected then.
    [[nodiscard]] tl::expected<void, Error> connect(int fd) noexcept;
    void disconnect() noexcept;

    /// Rings at once, by one system call. Does nothing if nothing is connected, like the next.
    void ring() noexcept;
    /// Rings when `loop`, whose thread this is, next enters the kernel; costs no system call.
    void ring_with(Ring& loop) noexcept;

  private:
    /// Makes room for the next completion, which nobody reads.
    void forget_completions() noexcept;

    io_uring ring_{};
    bool made_ = false;
    bool connected_ = false;
};

}  // namespace zonebridge
