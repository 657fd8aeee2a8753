// A socket at a path: exactly one of the servers that start at one path gets it, a socket of a
// server that died is replaced, and access is right before anyone can connect.
//
// PATH.lock, an empty file, is locked (flock) as long as the server lives, so that finding a dead
// socket, removing it and binding another are one step for all servers. A lock of the folder would
// leave no file, but anyone who may read the folder could hold it; binding elsewhere and renaming
// can't tell a dead socket from the one that another server has just put there.
//
// Threads: belongs to one thread.
// Ownership: owns the socket's file and the lock, and removes both at its end; leaves a file that
// another program put there.
#pragma once

#include <optional>
#include <string>
#include <sys/types.h>
#include <utility>

#include <tl/expected.hpp>

#include "base/unique_fd.h"

namespace zonebridge::virtio {

/// Who may connect.
struct SocketAccess {
    mode_t mode = 0600;
    std::optional<gid_t> group;  ///< Of the socket's file; nothing: this process's.
};

/// The file that a server locks for the socket at `path`.
[[nodiscard]] std::string lock_of(const std::string& path);

class SocketPath {
  public:
    struct Bound;

    /// Binds a socket at `path`, with that access, and listens. Refuses a path that another server
    /// has, or whose file is no socket.
    [[nodiscard]] static tl::expected<Bound, std::string> bind(const std::string& path,
                                                               const SocketAccess& access);

    SocketPath(SocketPath&& other) noexcept
        : path_(std::move(other.path_)),
          lock_(std::move(other.lock_)),
          file_(std::exchange(other.file_, std::nullopt)) {}
    SocketPath& operator=(SocketPath&&) = delete;
    ~SocketPath();

  private:
    struct File {
        dev_t device;
        ino_t inode;
    };

    SocketPath(std::string path, UniqueFd lock) noexcept
        : path_(std::move(path)), lock_(std::move(lock)) {}
    [[nodiscard]] static tl::expected<SocketPath, std::string> lock(const std::string& path);

    std::string path_;
    UniqueFd lock_;             // empty: moved from
    std::optional<File> file_;  // that this process made
};

struct SocketPath::Bound {
    UniqueFd socket;  ///< Listens; does not block.
    SocketPath path;
};

}  // namespace zonebridge::virtio
