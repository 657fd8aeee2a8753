// Where front ends come from: a unix socket this program binds, or a descriptor it was started with
// (vhost-user, "Backend program conventions").
//
// A program that serves must ignore SIGPIPE: a kick or call descriptor may be a pipe whose other
// end the peer closes.
//
// Threads: belongs to one thread.
// Ownership: owns its socket, and removes the socket file it made if that is still there.
#pragma once

#include <optional>
#include <string>
#include <sys/types.h>

#include <tl/expected.hpp>

#include "base/unique_fd.h"

namespace zonebridge::virtio {

class Listener {
  public:
    /// Binds `path`, for this user only (0600). A socket file that nobody listens on is replaced;
    /// one that answers, and anything that is no socket, is refused.
    [[nodiscard]] static tl::expected<Listener, std::string> bind(const std::string& path);
    /// Uses a descriptor that is there already: a listening socket, or one front end's connection
    /// (SO_ACCEPTCONN tells). Takes it over only if it is one of these.
    [[nodiscard]] static tl::expected<Listener, std::string> adopt(int fd);

    Listener(Listener&&) noexcept;
    Listener& operator=(Listener&&) = delete;
    ~Listener();

    /// Waits for the next front end. Nothing: `stop` became readable, or the one connection there
    /// was has been handed out (then there is never another).
    [[nodiscard]] tl::expected<std::optional<UniqueFd>, std::string> accept(
        std::optional<int> stop);

    /// Readable when somebody is to be accepted: for those who wait for more than that.
    [[nodiscard]] int fd() const noexcept { return socket_.get(); }

    /// Hands out no more than one connection.
    [[nodiscard]] bool single() const noexcept { return connected_; }

  private:
    struct SocketFile {
        std::string path;
        dev_t device;
        ino_t inode;
    };

    Listener(UniqueFd socket, bool connected, std::optional<SocketFile> file) noexcept;

    UniqueFd socket_;
    bool connected_;
    std::optional<SocketFile> file_;
};

}  // namespace zonebridge::virtio
