#include "virtio/vhost_user/listener.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

namespace zonebridge::virtio {
namespace {

constexpr int backlog = 4;

// How long until the next try after descriptors or memory ran out.
constexpr std::chrono::milliseconds until_next_try{100};

tl::unexpected<std::string> failure(const std::string& what, int error) {
    return tl::unexpected(fmt::format("{}: {}", what, std::strerror(error)));
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
    const UniqueFd probe = unix_socket();
    if (!probe) return failure("cannot create a socket", errno);
    if (::connect(probe.get(), as_address(address), sizeof address) == 0 || errno == EAGAIN)
        return tl::unexpected(path +
                              " belongs to a server that is running; stop it or use another path");
    if (errno != ECONNREFUSED) return failure("cannot tell whether " + path + " is in use", errno);
    if (::unlink(path.c_str()) != 0 && errno != ENOENT)
        return failure("cannot remove the unused socket " + path, errno);
    return {};
}

}  // namespace

Listener::Listener(UniqueFd socket, bool connected, std::optional<SocketFile> file) noexcept
    : socket_(std::move(socket)), connected_(connected), file_(std::move(file)) {}

Listener::Listener(Listener&& other) noexcept
    : socket_(std::move(other.socket_)),
      log_(std::move(other.log_)),
      resume_at_(other.resume_at_),
      short_(other.short_),
      connected_(other.connected_),
      file_(std::exchange(other.file_, std::nullopt)) {}

Listener::~Listener() {
    if (!file_) return;
    struct stat info {};
    // Another program may have put its socket there meanwhile: leave that one.
    if (::lstat(file_->path.c_str(), &info) == 0 && info.st_dev == file_->device &&
        info.st_ino == file_->inode)
        ::unlink(file_->path.c_str());
}

tl::expected<Listener, std::string> Listener::bind(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty()) return tl::unexpected(std::string("the socket's path is empty"));
    if (path.size() >= sizeof address.sun_path)
        return tl::unexpected(fmt::format(
            "{}: a socket's path has at most {} bytes, and this path has {}; use a shorter path",
            path, sizeof address.sun_path - 1, path.size()));
    std::memcpy(address.sun_path, path.data(), path.size());

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
    Listener listener(std::move(socket), false, SocketFile{path, info.st_dev, info.st_ino});
    if (::listen(listener.socket_.get(), backlog) != 0)
        return failure("cannot listen on " + path, errno);
    return listener;
}

tl::expected<Listener, std::string> Listener::adopt(int fd) {
    const auto what = fmt::format("file descriptor {}", fd);
    int domain = 0;
    int type = 0;
    int accepting = 0;
    socklen_t length = sizeof(int);
    if (::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) != 0)
        return failure("cannot use " + what, errno);
    if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) != 0 ||
        ::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &accepting, &length) != 0)
        return failure("cannot use " + what, errno);
    if (domain != AF_UNIX || type != SOCK_STREAM)
        return tl::unexpected(what + " is not a Unix stream socket");
    if (accepting == 0) {
        sockaddr_un peer{};
        length = sizeof peer;
        if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &length) != 0)
            return tl::unexpected(what + " is a socket that neither listens nor is connected");
    }
    if (::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) return failure("cannot use " + what, errno);
    if (accepting != 0) {
        const int flags = ::fcntl(fd, F_GETFL);
        if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
            return failure("cannot use " + what, errno);
    }
    return Listener(UniqueFd(fd), accepting == 0, std::nullopt);
}

tl::expected<std::optional<UniqueFd>, std::string> Listener::accept(std::optional<int> stop) {
    if (connected_) {
        if (!socket_) return std::nullopt;
        return std::exchange(socket_, {});
    }
    for (;;) {
        const auto resume = resume_at();
        auto timeout = -1;
        if (resume) {
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(*resume - Clock::now());
            timeout = static_cast<int>(std::max<std::int64_t>(left.count(), 0));
        }
        pollfd waits[2] = {{resume ? -1 : socket_.get(), POLLIN, 0},
                           {stop.value_or(-1), POLLIN, 0}};
        if (::poll(waits, 2, timeout) < 0) {
            if (errno == EINTR) continue;
            return failure("cannot wait for a front end", errno);
        }
        if (waits[1].revents != 0) return std::nullopt;
        if (waits[0].revents == 0) continue;
        auto front_end = accept_waiting();
        if (!front_end || *front_end) return front_end;
    }
}

std::optional<Listener::Clock::time_point> Listener::resume_at() const noexcept {
    if (Clock::now() >= resume_at_) return std::nullopt;
    return resume_at_;
}

tl::expected<std::optional<UniqueFd>, std::string> Listener::accept_waiting() {
    UniqueFd peer(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (peer) {
        short_ = false;
        return peer;
    }
    switch (errno) {
        case EAGAIN:
        case EINTR:
        case ECONNABORTED:  // the client disconnected meanwhile
            return std::nullopt;
        case EMFILE:
        case ENFILE:
        case ENOMEM:
        case ENOBUFS:
            pause(errno);
            return std::nullopt;
        default:  // would come back at once, for ever
            return failure("cannot accept a connection", errno);
    }
}

/// The connection stays pending and the socket readable, so do not watch the socket for a while.
void Listener::pause(int error) {
    resume_at_ = Clock::now() + until_next_try;
    if (std::exchange(short_, true) || !log_) return;
    log_(fmt::format("can't accept a connection: {}; trying again until there is room",
                     std::strerror(error)));
}

}  // namespace zonebridge::virtio
