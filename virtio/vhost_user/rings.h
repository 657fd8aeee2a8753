// The rings of a vhost-user device, which the front end describes message by message.
//
// A ring runs while it has a size, addresses that lie in the guest's memory, accepted features and
// a kick descriptor (or has to be polled). The message that completes this description starts the
// ring. Its size and base can't change while it runs; a change of its addresses or kick descriptor
// stops it and starts it again. A suspended ring ran until its memory or its features were taken
// away, and goes on when they return.
//
// Threads: belongs to the session's thread.
// Ownership: shares the rings' descriptors with the Backend; borrows the Backend, and the
// negotiation and the memory that rings start with.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "virtio/backend.h"
#include "virtio/vhost_user/front_end_memory.h"
#include "virtio/vhost_user/negotiation.h"

namespace zonebridge::virtio {

class Rings {
    using Result = tl::expected<void, std::string>;

  public:
    Rings(Backend& backend, const Negotiation& negotiation, const FrontEndMemory& memory)
        : backend_(backend),
          negotiation_(negotiation),
          memory_(memory),
          rings_(backend.queue_count()) {}

    // Messages about one ring. A deadline is for the requests of a ring that has to stop.

    /// SET_VRING_NUM.
    [[nodiscard]] Result set_size(const Message& message);
    struct Placed {
        std::uint16_t index;
        bool again;  ///< The ring ran before: its chains are looked at at once.
    };
    /// SET_VRING_ADDR. A ring whose addresses change is stopped until start(); the log is updated between
    /// the two.
    [[nodiscard]] tl::expected<Placed, std::string> place(const Message& message,
                                                          Deadline deadline);
    /// Starts the ring if nothing is missing.
    [[nodiscard]] Result start(Placed ring) { return start_if_ready(ring.index, ring.again); }
    /// SET_VRING_BASE.
    [[nodiscard]] Result set_base(const Message& message);
    /// GET_VRING_BASE: stops the ring; the reply.
    [[nodiscard]] tl::expected<VringState, std::string> take_base(const Message& message,
                                                                  Deadline deadline);
    /// SET_VRING_KICK.
    [[nodiscard]] Result set_kick(Message& message, Deadline deadline);
    /// SET_VRING_CALL.
    [[nodiscard]] Result set_call(Message& message);
    /// SET_VRING_ERR.
    [[nodiscard]] Result set_error(Message& message);
    /// SET_VRING_ENABLE.
    [[nodiscard]] Result enable(const Message& message);

    // All rings.

    void enable_all();
    /// Suspends all running rings, until start_ready().
    [[nodiscard]] Result suspend_all(Deadline deadline);
    /// Suspends the rings that do not lie in `memory`.
    [[nodiscard]] Result suspend_outside(const GuestMemory& memory, Deadline deadline);
    /// Starts all rings whose description is complete.
    [[nodiscard]] Result start_ready();
    /// The first error, after each ring had its chance to stop.
    [[nodiscard]] Result stop_all(Deadline deadline);
    /// Forgets all rings, except their call and error descriptors: front ends set those once.
    void forget();

    /// Where writes to the used rings are logged, as Backend::set_log takes it.
    [[nodiscard]] std::vector<std::optional<std::uint64_t>> used_logs() const;

    /// A ring did not stop by its deadline.
    [[nodiscard]] bool undrained() const noexcept { return undrained_; }

  private:
    struct Ring {
        std::optional<std::uint16_t> size;
        std::optional<RingAddresses> addresses;
        std::optional<std::uint64_t> used_log;
        std::uint16_t base = 0;
        bool kick_set = false;  // `kick` is valid: a descriptor, or null to poll
        SharedFd kick;
        SharedFd call;
        SharedFd error;
        bool enabled = false;
        bool running = false;
        bool suspended = false;
    };

    [[nodiscard]] tl::expected<VringState, std::string> state_of(const Message& message) const;
    [[nodiscard]] VirtQueue::Config config(std::uint16_t index) const noexcept;
    [[nodiscard]] Result start_if_ready(std::uint16_t index, bool look_at_once);
    [[nodiscard]] Result stop(std::uint16_t index, Deadline deadline);

    Backend& backend_;
    const Negotiation& negotiation_;
    const FrontEndMemory& memory_;
    std::vector<Ring> rings_;
    bool undrained_ = false;
};

}  // namespace zonebridge::virtio
