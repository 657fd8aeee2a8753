// Serves a device by vhost-user: one front end's session after another. A front end that connects
// while another is served waits or is refused, and the log says so.
//
// Threads: belongs to the session's thread.
// Ownership: borrows the listener and the backend.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include <tl/expected.hpp>

#include "base/unique_fd.h"
#include "virtio/backend.h"
#include "virtio/vhost_user/listener.h"
#include "virtio/vhost_user/session.h"
#include "zone/status.h"

namespace zonebridge::service {

/// What happens to a front end that connects while another is served.
enum class SecondFrontEnd : std::uint8_t { waits, is_refused };

struct VhostUserOptions {
    /// Longer than QEMU takes from its connection to its first message, between which it may have to
    /// clear all of a guest's memory.
    static constexpr std::chrono::seconds usual_first_message{120};

    /// How long a front end may take from its connection to its first valid message; nothing: for
    /// ever.
    std::optional<std::chrono::milliseconds> first_message = usual_first_message;
    SecondFrontEnd second = SecondFrontEnd::waits;
};

/// The front ends that connect to one listener.
class FrontEnds final : public virtio::Bystander {
  public:
    /// More front ends than these wait without a word, until one of these has its turn.
    static constexpr std::size_t most_waiting = 4;

    FrontEnds(virtio::Listener& listener, SecondFrontEnd second) noexcept
        : listener_(listener), second_(second) {}
    FrontEnds(const FrontEnds&) = delete;
    FrontEnds& operator=(const FrontEnds&) = delete;
    ~FrontEnds();

    /// The next front end: the one that waits longest, or else the next that connects. Nothing:
    /// `stop` is readable, or there is never another.
    [[nodiscard]] tl::expected<std::optional<UniqueFd>, std::string> next(int stop);
    /// The number of the session that runs, for the log.
    void set_session(unsigned number) noexcept { session_ = number; }

    [[nodiscard]] std::optional<int> fd() const noexcept override;
    void on_ready() override;

  private:
    virtio::Listener& listener_;
    SecondFrontEnd second_;
    std::deque<UniqueFd> waiting_;
    std::optional<std::string> failure_;  // of the listener
    unsigned session_ = 0;
};

/// Runs one session after another, on the connections that `listener` accepts, until `stop` is
/// readable or there can't be another session. Errors that end one session go to the log.
[[nodiscard]] tl::expected<void, Error> run_sessions(virtio::Listener& listener,
                                                     virtio::Backend& backend,
                                                     const VhostUserOptions& options, int stop);

}  // namespace zonebridge::service
