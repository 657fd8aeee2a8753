// The back end's side of one vhost-user connection, for one Backend: receives the front end's
// messages and hands each to the part that it concerns. Bad input from the peer can at worst end
// its session with an error.
//
// A ring that a worker finds broken ends the session (BackendEvent::fault); its error descriptor
// was signalled first.
//
// Messages whose protocol feature was not negotiated are answered all the same: that is harmless,
// and some front ends send them. Unknown requests end the session, because it is not known whether
// the peer waits for an answer.
//
// Threads: belongs to one thread.
// Ownership: owns the connection; borrows the Backend. When the session ends, or is destroyed, all
// queues are stopped and the Backend is reset and has no guest memory any more.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <tl/expected.hpp>

#include "virtio/backend.h"
#include "virtio/vhost_user/channel.h"
#include "virtio/vhost_user/front_end_memory.h"
#include "virtio/vhost_user/negotiation.h"
#include "virtio/vhost_user/rings.h"

namespace zonebridge::virtio {

struct SessionOptions {
    /// How long a peer may take from the start of the session to its first valid message, so that a
    /// silent peer does not hold the device; nothing: for ever.
    std::optional<std::chrono::milliseconds> first_message = std::nullopt;
    /// How long a peer may take to finish a message that it began, or to make room for a reply.
    std::chrono::milliseconds patience{10'000};
    /// How long the disk may take to return requests that a message has to wait for, since their
    /// memory is the guest's: long enough for the kernel to retry a command on a SCSI disk and to
    /// reset the disk. Then the session ends.
    std::chrono::milliseconds drain{120'000};
};

/// Something else that a session's thread has to look after.
class Bystander {
  public:
    /// Watch this descriptor for readability; nothing: not now.
    [[nodiscard]] virtual std::optional<int> fd() const noexcept = 0;
    /// Called when the descriptor is readable and the session has no message to handle.
    virtual void on_ready() = 0;

  protected:
    ~Bystander() = default;
};

class Session {
  public:
    [[nodiscard]] static tl::expected<std::unique_ptr<Session>, std::string> over(
        UniqueFd socket, Backend& backend, SessionOptions options = {});
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
    ~Session();

    /// Serves the front end until it disconnects or breaks the protocol, or `stop` (if given)
    /// becomes readable. `other` (may be null) is looked after meanwhile.
    [[nodiscard]] SessionEnd run(std::optional<int> stop, Bystander* other = nullptr);

  private:
    using Result = tl::expected<void, std::string>;
    /// False: the message was refused, and the session goes on.
    using Outcome = tl::expected<bool, std::string>;
    using Clock = std::chrono::steady_clock;
    struct Handlers;  // a row for each request

    Session(Channel channel, Backend& backend, SessionOptions options);

    /// Handles pending events, and one message if a whole one has arrived; returns the end if the
    /// session is over. `more`: a message was handled, and another may have arrived.
    [[nodiscard]] std::optional<SessionEnd> step(bool& more);
    [[nodiscard]] SessionEnd finish(SessionEnd::Reason reason, std::string message);
    void end() noexcept;
    /// When the peer has to have said something, or more.
    [[nodiscard]] std::optional<Clock::time_point> due() const noexcept;
    [[nodiscard]] Result drain_events();
    [[nodiscard]] Result handle(Message& message);
    [[nodiscard]] Result reply(const Message& to, std::span<const std::byte> payload,
                               std::optional<int> fd = std::nullopt);
    [[nodiscard]] Result reply_u64(const Message& to, std::uint64_t value);

    // Requests that concern the Backend itself, or several parts.
    [[nodiscard]] Result get_config(const Message& message);
    [[nodiscard]] Outcome set_config(const Message& message);
    [[nodiscard]] Outcome set_features(const Message& message);
    [[nodiscard]] Result set_status(const Message& message);
    [[nodiscard]] Result set_log_base(const Message& message);
    [[nodiscard]] Result get_inflight_fd(const Message& message);
    [[nodiscard]] Result set_vring_addr(const Message& message);
    [[nodiscard]] Result get_vring_base(const Message& message);
    [[nodiscard]] Result move_to(tl::expected<GuestMemory::Table, std::string> table);
    [[nodiscard]] Result update_log();
    /// An error if a queue did not stop in time; the session has to end then.
    [[nodiscard]] Result reset_device(ResetCause cause);

    Channel channel_;
    BackendChannel backend_channel_;
    Backend& backend_;
    std::chrono::milliseconds drain_;
    std::optional<std::chrono::milliseconds> first_message_;
    /// The limit for the first valid message; nothing: there is none, or the message came.
    std::optional<Clock::time_point> silent_until_;
    Negotiation negotiation_;
    FrontEndMemory memory_;
    Rings rings_;
    std::optional<int> stop_;
    Deadline drained_by_;  // the deadline for the disk in the current message
    bool ended_ = false;
};

}  // namespace zonebridge::virtio
