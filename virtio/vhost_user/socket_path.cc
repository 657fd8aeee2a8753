#include "virtio/vhost_user/socket_path.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <fmt/format.h>

namespace zonebridge::virtio {
namespace {

constexpr int backlog = 4;

tl::unexpected<std::string> failure(const std::string& what, int error) {
    return tl::unexpected(fmt::format("{}: {}", what, std::strerror(error)));
}

tl::unexpected<std::string> taken(const std::string& path) {
    return tl::unexpected(path +
                          " belongs to a server that is running; stop it or use another path");
}

UniqueFd unix_socket() {
    return UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

const sockaddr* as_address(const sockaddr_un& address) noexcept {
    return reinterpret_cast<const sockaddr*>(&address);
}

/// Makes `path` free: removes a dead socket, refuses any other file.
tl::expected<void, std::string> clear_the_way(const std::string& path, const sockaddr_un& address) {
    struct stat info {};
    if (::lstat(path.c_str(), &info) != 0) {
        if (errno == ENOENT) return {};
        return failure("cannot examine " + path, errno);
    }
    if (!S_ISSOCK(info.st_mode))
        return tl::unexpected(path + " exists and is not a socket; it was not changed");
    // Another program may listen there, which does not know the lock.
    const UniqueFd probe = unix_socket();
    if (!probe) return failure("cannot create a socket", errno);
    if (::connect(probe.get(), as_address(address), sizeof address) == 0 || errno == EAGAIN)
        return taken(path);
    if (errno != ECONNREFUSED) return failure("cannot tell whether " + path + " is in use", errno);
    if (::unlink(path.c_str()) != 0 && errno != ENOENT)
        return failure("cannot remove the unused socket " + path, errno);
    return {};
}

/// Sets the access of the socket's file, which nobody can connect to before listen(2).
int give_access(const std::string& path, const SocketAccess& access) {
    if (access.group && ::fchownat(AT_FDCWD, path.c_str(), static_cast<uid_t>(-1), *access.group,
                                   AT_SYMLINK_NOFOLLOW) != 0)
        return errno;
    if (::fchmodat(AT_FDCWD, path.c_str(), access.mode, AT_SYMLINK_NOFOLLOW) != 0) return errno;
    return 0;
}

}  // namespace

std::string lock_of(const std::string& path) {
    return path + ".lock";
}

tl::expected<SocketPath, std::string> SocketPath::lock(const std::string& path) {
    const auto name = lock_of(path);
    for (;;) {
        UniqueFd file(::open(
            name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600));
        if (!file)
            return failure(fmt::format("cannot create the socket {}: {}", path, name), errno);
        struct stat info {};
        if (::fstat(file.get(), &info) != 0) return failure("cannot examine " + name, errno);
        // Its end would remove it.
        if (!S_ISREG(info.st_mode) || info.st_size != 0)
            return tl::unexpected(fmt::format(
                "{} exists and is not an empty file, as a server's lock is; it was not changed",
                name));
        if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
            if (errno == EWOULDBLOCK) return taken(path);
            if (errno == EINTR) continue;
            return failure("cannot lock " + name, errno);
        }
        // A server that ended meanwhile removed the file: that lock keeps nobody out.
        struct stat named {};
        if (::lstat(name.c_str(), &named) == 0 && named.st_dev == info.st_dev &&
            named.st_ino == info.st_ino)
            return SocketPath(path, std::move(file));
    }
}

SocketPath::~SocketPath() {
    if (!lock_) return;
    struct stat info {};
    // Another program may have put its socket there meanwhile: leave that one.
    if (file_ && ::lstat(path_.c_str(), &info) == 0 && info.st_dev == file_->device &&
        info.st_ino == file_->inode)
        ::unlink(path_.c_str());
    ::unlink(lock_of(path_).c_str());
}

tl::expected<SocketPath::Bound, std::string> SocketPath::bind(const std::string& path,
                                                              const SocketAccess& access) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty()) return tl::unexpected(std::string("the socket's path is empty"));
    if (path.size() >= sizeof address.sun_path)
        return tl::unexpected(fmt::format(
            "{}: a socket's path has at most {} bytes, and this path has {}; use a shorter path",
            path, sizeof address.sun_path - 1, path.size()));
    std::memcpy(address.sun_path, path.data(), path.size());

    auto place = lock(path);
    if (!place) return tl::unexpected(std::move(place.error()));
    if (auto clear = clear_the_way(path, address); !clear)
        return tl::unexpected(std::move(clear.error()));
    UniqueFd socket = unix_socket();
    // The file gets the socket's mode, which unlike the umask affects no other file.
    if (!socket || ::fchmod(socket.get(), 0600) != 0)
        return failure("cannot create a socket", errno);
    if (::bind(socket.get(), as_address(address), sizeof address) != 0)
        return failure("cannot create the socket " + path, errno);
    struct stat info {};
    if (::lstat(path.c_str(), &info) != 0) return failure("cannot examine " + path, errno);
    place->file_ = File{info.st_dev, info.st_ino};
    if (const int error = give_access(path, access); error != 0)
        return failure(
            fmt::format("cannot give the socket {} the mode {:04o}{}", path, access.mode,
                        access.group ? fmt::format(" and the group {}", *access.group) : ""),
            error);
    if (::listen(socket.get(), backlog) != 0) return failure("cannot listen on " + path, errno);
    return Bound{std::move(socket), std::move(*place)};
}

}  // namespace zonebridge::virtio
