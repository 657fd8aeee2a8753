#include "virtio/vhost_user/listener.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <utility>

#include <fmt/format.h>

namespace zonebridge::virtio {
namespace {

// How long until the next try after descriptors or memory ran out.
constexpr std::chrono::milliseconds until_next_try{100};

tl::unexpected<std::string> failure(const std::string& what, int error) {
    return tl::unexpected(fmt::format("{}: {}", what, std::strerror(error)));
}

}  // namespace

Listener::Listener(UniqueFd socket, bool connected, std::optional<SocketPath> path) noexcept
    : socket_(std::move(socket)), connected_(connected), path_(std::move(path)) {}

tl::expected<Listener, std::string> Listener::bind(const std::string& path,
                                                   const SocketAccess& access) {
    auto bound = SocketPath::bind(path, access);
    if (!bound) return tl::unexpected(std::move(bound.error()));
    return Listener(std::move(bound->socket), false, std::move(bound->path));
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
