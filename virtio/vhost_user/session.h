// The back end's side of one vhost-user connection, for one Backend. Bad input from the peer can at
// worst end its session with an error.
//
// A ring runs while it has a size, addresses that lie in the guest's memory, accepted features and
// a kick descriptor (or has to be polled). A ring that a worker finds broken ends the session
// (BackendEvent::fault); its error descriptor was signalled first.
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
#include <vector>

#include <tl/expected.hpp>

#include "virtio/backend.h"
#include "virtio/dirty_log.h"
#include "virtio/inflight.h"
#include "virtio/memory.h"
#include "virtio/session_end.h"
#include "virtio/vhost_user/channel.h"

namespace zonebridge::virtio {

struct SessionOptions {
    /// How long a peer may take to finish a message that it began, or to make room for a reply.
    std::chrono::milliseconds patience{10'000};
    /// How long the disk may take to return requests that a message has to wait for, since their
    /// memory is the guest's: long enough for the kernel to retry a command on a SCSI disk and to
    /// reset the disk. Then the session ends.
    std::chrono::milliseconds drain{120'000};
};

class Session {
  public:
    [[nodiscard]] static tl::expected<std::unique_ptr<Session>, std::string> over(
        UniqueFd socket, Backend& backend, SessionOptions options = {});
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
    ~Session();

    /// Serves the front end until it disconnects or breaks the protocol, or `stop` (if given)
    /// becomes readable.
    [[nodiscard]] SessionEnd run(std::optional<int> stop);

    /// Sends the front end CONFIG_CHANGE, if it has a channel for that.
    void notify_config_change() noexcept;

  private:
    using Result = tl::expected<void, std::string>;
    using Clock = std::chrono::steady_clock;

    struct Queue {
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
        bool suspended = false;  // ran until its memory was removed; continues when it returns
    };

    Session(Channel channel, Backend& backend, SessionOptions options);

    /// Handles pending events, and one message if a whole one has arrived; returns the end if the
    /// session is over. `more`: a message was handled, and another may have arrived.
    [[nodiscard]] std::optional<SessionEnd> step(bool& more);
    [[nodiscard]] SessionEnd finish(SessionEnd::Reason reason, std::string message);
    void end() noexcept;
    [[nodiscard]] Result drain_events();
    [[nodiscard]] Result handle(Message& message);
    /// False: refused, and the session goes on.
    [[nodiscard]] tl::expected<bool, std::string> dispatch(Request request, Message& message);
    [[nodiscard]] tl::expected<bool, std::string> dispatch_query(Request request, Message& message);
    [[nodiscard]] Result reply(const Message& to, std::span<const std::byte> payload,
                               std::optional<int> fd = std::nullopt);
    [[nodiscard]] Result reply_u64(const Message& to, std::uint64_t value);
    [[nodiscard]] Result get_config(const Message& message);
    [[nodiscard]] tl::expected<bool, std::string> set_config(const Message& message);
    [[nodiscard]] Result set_backend_req_fd(Message& message);
    [[nodiscard]] Result set_status(const Message& message);

    // session_memory.cc
    [[nodiscard]] Result set_mem_table(const Message& message);
    [[nodiscard]] Result add_mem_reg(const Message& message);
    [[nodiscard]] Result rem_mem_reg(const Message& message);
    [[nodiscard]] Result move_to(GuestMemory::Table memory);
    [[nodiscard]] Result set_log_base(const Message& message);
    [[nodiscard]] Result get_inflight_fd(const Message& message);
    [[nodiscard]] Result set_inflight_fd(const Message& message);
    [[nodiscard]] Result update_log();

    // session_queues.cc
    [[nodiscard]] tl::expected<bool, std::string> set_features(const Message& message);
    [[nodiscard]] Result set_vring_num(const Message& message);
    [[nodiscard]] Result set_vring_addr(const Message& message);
    [[nodiscard]] Result set_vring_base(const Message& message);
    [[nodiscard]] Result get_vring_base(const Message& message);
    [[nodiscard]] Result set_vring_kick(Message& message);
    [[nodiscard]] Result set_vring_call(Message& message);
    [[nodiscard]] Result set_vring_err(Message& message);
    [[nodiscard]] Result set_vring_enable(const Message& message);
    [[nodiscard]] tl::expected<VringState, std::string> ring_state(const Message& message) const;
    [[nodiscard]] VirtQueue::Config ring_config(std::uint16_t index) const noexcept;
    [[nodiscard]] Result start_if_ready(std::uint16_t index, bool look_at_once);
    [[nodiscard]] Result stop(std::uint16_t index);
    /// An error if a queue did not stop in time; the session has to end then.
    [[nodiscard]] Result reset_device(ResetCause cause);

    Channel channel_;
    Backend& backend_;
    SessionOptions options_;
    std::vector<Queue> queues_;
    GuestMemory::Table memory_;
    std::shared_ptr<const DirtyLog> log_;
    bool log_in_use_ = false;
    std::shared_ptr<const InflightArea> inflight_;
    std::optional<std::uint64_t> features_;  // accepted, the session's own two included
    bool features_refused_ = false;
    std::uint64_t protocol_features_ = 0;
    std::uint8_t status_ = 0;
    UniqueFd backend_channel_;
    std::optional<int> stop_;
    std::optional<Clock::time_point> message_began_;
    Deadline drained_by_;     // the deadline for the disk in the current message
    bool undrained_ = false;  // that deadline passed
    bool ended_ = false;
};

}  // namespace zonebridge::virtio
