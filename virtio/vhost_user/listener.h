// Accepts front ends' connections, on a unix socket that this program binds, or on an inherited
// descriptor (vhost-user, "Backend program conventions").
//
// The program must ignore SIGPIPE: a kick or call descriptor may be a pipe whose other end the peer
// closes.
//
// Threads: belongs to one thread.
// Ownership: owns its socket, and the socket's file if this program made it.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "base/unique_fd.h"
#include "virtio/vhost_user/socket_path.h"

namespace zonebridge::virtio {

class Listener {
  public:
    using Clock = std::chrono::steady_clock;
    /// Log lines about events that do not end the listener.
    using Log = std::function<void(std::string_view)>;

    /// Binds `path` (virtio/vhost_user/socket_path.h), by default for this user only. Replaces a
    /// socket file on which no process listens; refuses one that answers, and any file that is no
    /// socket.
    [[nodiscard]] static tl::expected<Listener, std::string> bind(const std::string& path,
                                                                  const SocketAccess& access = {});
    /// Uses an inherited descriptor: a listening socket, or one front end's connection (told apart
    /// by SO_ACCEPTCONN). Takes ownership only if it is one of these.
    [[nodiscard]] static tl::expected<Listener, std::string> adopt(int fd);

    Listener(Listener&&) = default;
    Listener& operator=(Listener&&) = delete;
    ~Listener() = default;

    /// `log` gets one line each time that this process, or the system, runs out of descriptors or
    /// memory for a connection.
    void set_log(Log log) { log_ = std::move(log); }

    /// Waits for the next front end, and until there are descriptors for it. Nothing: `stop` became
    /// readable, or the single connection was returned before (then there is never another).
    [[nodiscard]] tl::expected<std::optional<UniqueFd>, std::string> accept(
        std::optional<int> stop);

    // For use in another loop instead of accept(): watch fd() from resume_at() on, and call
    // accept_waiting() when it is readable.

    [[nodiscard]] int fd() const noexcept { return socket_.get(); }
    /// When to watch fd() again after descriptors or memory ran out; nothing: now.
    [[nodiscard]] std::optional<Clock::time_point> resume_at() const noexcept;
    /// The pending connection. Nothing: there is none any more, or there are no descriptors for it.
    [[nodiscard]] tl::expected<std::optional<UniqueFd>, std::string> accept_waiting();

    /// Returns no more than one connection.
    [[nodiscard]] bool single() const noexcept { return connected_; }

  private:
    Listener(UniqueFd socket, bool connected, std::optional<SocketPath> path) noexcept;

    void pause(int error);

    UniqueFd socket_;
    Log log_;
    Clock::time_point resume_at_{};
    bool short_ = false;  // out of descriptors or memory, and logged
    bool connected_;
    std::optional<SocketPath> path_;  // of a socket that this program bound
};

}  // namespace zonebridge::virtio
