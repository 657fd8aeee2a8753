// Where front ends come from: a unix socket this program binds, or a descriptor it was started with
// (vhost-user, "Backend program conventions").
//
// A program that serves must ignore SIGPIPE: a kick or call descriptor may be a pipe whose other
// end the peer closes.
//
// Threads: belongs to one thread.
// Ownership: owns its socket, and removes the socket file it made if that is still there.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>

#include <tl/expected.hpp>

#include "virtio/unique_fd.h"

namespace zonebridge::virtio {

class Listener {
  public:
    using Clock = std::chrono::steady_clock;
    /// Lines for the log that end nothing.
    using Log = std::function<void(std::string_view)>;

    /// Binds `path`, for this user only (0600). A socket file that nobody listens on is replaced;
    /// one that answers, and anything that is no socket, is refused.
    [[nodiscard]] static tl::expected<Listener, std::string> bind(const std::string& path);
    /// Uses a descriptor that is there already: a listening socket, or one front end's connection
    /// (SO_ACCEPTCONN tells). Takes it over only if it is one of these.
    [[nodiscard]] static tl::expected<Listener, std::string> adopt(int fd);

    Listener(Listener&&) noexcept;
    Listener& operator=(Listener&&) = delete;
    ~Listener();

    /// Told once of each time that this process, or the system, has no descriptors or no memory for a
    /// connection.
    void set_log(Log log) { log_ = std::move(log); }

    /// Waits for the next front end, also until there are descriptors for it. Nothing: `stop` became
    /// readable, or the one connection there was has been handed out (then there is never another).
    [[nodiscard]] tl::expected<std::optional<UniqueFd>, std::string> accept(
        std::optional<int> stop);

    // For a foreign loop instead of accept: watch fd() from resume_at() on, and call accept_waiting()
    // when it is readable.

    [[nodiscard]] int fd() const noexcept { return socket_.get(); }
    /// When to watch fd() again after descriptors or memory ran out; nothing: now.
    [[nodiscard]] std::optional<Clock::time_point> resume_at() const noexcept;
    /// The connection that waits. Nothing: there is none any more, or there are no descriptors for it.
    [[nodiscard]] tl::expected<std::optional<UniqueFd>, std::string> accept_waiting();

    /// Hands out no more than one connection.
    [[nodiscard]] bool single() const noexcept { return connected_; }

  private:
    struct SocketFile {
        std::string path;
        dev_t device;
        ino_t inode;
    };

    Listener(UniqueFd socket, bool connected, std::optional<SocketFile> file) noexcept;

    void pause(int error);

    UniqueFd socket_;
    Log log_;
    Clock::time_point resume_at_{};
    bool short_ = false;  // and log_ was told
    bool connected_;
    std::optional<SocketFile> file_;
};

}  // namespace zonebridge::virtio
