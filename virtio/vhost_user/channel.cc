#include "virtio/vhost_user/channel.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <utility>

#include <fmt/format.h>

namespace zonebridge::virtio {
namespace {

constexpr std::size_t most_passed_fds = 253;  // SCM_MAX_FD of Linux

tl::unexpected<std::string> failure(const char* what, int error) {
    return tl::unexpected(fmt::format("{}: {}", what, std::strerror(error)));
}

/// An option of a socket; nothing for another kind of descriptor.
std::optional<int> option(int fd, int name) noexcept {
    int value = 0;
    socklen_t length = sizeof value;
    if (::getsockopt(fd, SOL_SOCKET, name, &value, &length) != 0) return std::nullopt;
    return value;
}

/// Moves every descriptor that came with a datagram into `fds`.
void collect_fds(msghdr& header, std::vector<UniqueFd>& fds) {
    for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr;
         part = CMSG_NXTHDR(&header, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
            fds.emplace_back(fd);
        }
    }
}

}  // namespace

tl::expected<Channel, std::string> Channel::over(UniqueFd socket,
                                                 std::chrono::milliseconds patience) {
    struct stat info {};
    if (::fstat(socket.get(), &info) != 0) return failure("cannot use the connection", errno);
    if (!S_ISSOCK(info.st_mode)) return tl::unexpected(std::string("it is not a socket"));
    const int flags = ::fcntl(socket.get(), F_GETFL);
    if (flags < 0 || ::fcntl(socket.get(), F_SETFL, flags | O_NONBLOCK) != 0)
        return failure("cannot use the connection", errno);
    return Channel(std::move(socket), patience);
}

tl::expected<std::size_t, std::string> Channel::receive_into(std::span<std::byte> out,
                                                             bool& closed) {
    for (;;) {
        iovec buffer{out.data(), out.size()};
        // Room for all that the kernel passes at once: it closes the others here, on this thread.
        alignas(cmsghdr) std::byte control[CMSG_SPACE(most_passed_fds * sizeof(int))];
        msghdr header{};
        header.msg_iov = &buffer;
        header.msg_iovlen = 1;
        header.msg_control = control;
        header.msg_controllen = sizeof control;
        const ssize_t received = ::recvmsg(socket_.get(), &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (received < 0) {
            if (errno == EINTR) continue;
            if (errno == EAGAIN || errno == EWOULDBLOCK) return std::size_t{0};
            if (errno == ECONNRESET) {
                closed = true;
                return std::size_t{0};
            }
            return failure("cannot receive from the front end", errno);
        }
        collect_fds(header, message_.fds);
        if ((header.msg_flags & MSG_CTRUNC) != 0 || message_.fds.size() > max_message_fds)
            return tl::unexpected(fmt::format(
                "a message came with more than {} file descriptors, or more than this process may "
                "open",
                max_message_fds));
        closed = received == 0;
        return static_cast<std::size_t>(received);
    }
}

tl::expected<Channel::Progress, std::string> Channel::receive() {
    for (;;) {
        std::span<std::byte> out;
        if (received_ < sizeof(MessageHeader))
            out = std::span(header_bytes_).subspan(received_);
        else
            out = std::span(message_.payload).subspan(received_ - sizeof(MessageHeader));
        if (!out.empty()) {
            bool closed = false;
            const auto received = receive_into(out, closed);
            if (!received) return tl::unexpected(received.error());
            if (closed) {
                if (!in_message()) return Progress::closed;
                return tl::unexpected(
                    std::string("the front end closed the connection in the middle of a message"));
            }
            if (*received == 0) {
                if (!in_message()) return Progress::more;
                if (!began_) began_ = Clock::now();
                if (Clock::now() - *began_ < patience_) return Progress::more;
                return tl::unexpected(
                    std::string("the front end began a message and did not finish it"));
            }
            const bool was_header = received_ < sizeof(MessageHeader);
            received_ += *received;
            if (received_ < sizeof(MessageHeader)) continue;
            if (was_header) {
                std::memcpy(&message_.header, header_bytes_.data(), sizeof message_.header);
                const auto& [request, flags, size] = message_.header;
                if ((flags & MessageHeader::version_mask) != MessageHeader::version)
                    return tl::unexpected(
                        fmt::format("message {} has protocol version {}, not 1: is the peer a "
                                    "vhost-user front end?",
                                    request, flags & MessageHeader::version_mask));
                if (size > max_payload)
                    return tl::unexpected(fmt::format(
                        "message {} announces a payload of {} bytes; none has more than {}",
                        request, size, max_payload));
                message_.payload.resize(size);
            }
        }
        if (received_ == sizeof(MessageHeader) + message_.payload.size()) return Progress::message;
    }
}

Message Channel::take() noexcept {
    received_ = 0;
    began_.reset();
    return std::exchange(message_, {});
}

std::vector<UniqueFd> Channel::end() noexcept {
    if (socket_) ::shutdown(socket_.get(), SHUT_RDWR);
    auto fds = std::exchange(message_.fds, {});
    fds.push_back(std::move(socket_));
    return fds;
}

std::optional<Channel::Clock::time_point> Channel::due() const noexcept {
    if (!began_) return std::nullopt;
    return *began_ + patience_;
}

tl::expected<void, std::string> Channel::send(const MessageHeader& header,
                                              std::span<const std::byte> payload,
                                              std::optional<int> fd, std::optional<int> stop) {
    const auto deadline = Clock::now() + patience_;
    const auto head = std::as_bytes(std::span(&header, 1));
    std::vector<std::byte> bytes;
    bytes.reserve(head.size() + payload.size());
    bytes.insert(bytes.end(), head.begin(), head.end());
    bytes.insert(bytes.end(), payload.begin(), payload.end());
    std::size_t sent = 0;
    while (sent < bytes.size()) {
        iovec buffer{bytes.data() + sent, bytes.size() - sent};
        alignas(cmsghdr) std::byte control[CMSG_SPACE(sizeof(int))]{};
        msghdr message{};
        message.msg_iov = &buffer;
        message.msg_iovlen = 1;
        if (fd && sent == 0) {
            message.msg_control = control;
            message.msg_controllen = sizeof control;
            cmsghdr* const part = CMSG_FIRSTHDR(&message);
            part->cmsg_level = SOL_SOCKET;
            part->cmsg_type = SCM_RIGHTS;
            part->cmsg_len = CMSG_LEN(sizeof(int));
            std::memcpy(CMSG_DATA(part), &*fd, sizeof(int));
        }
        const ssize_t result = ::sendmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (result >= 0) {
            sent += static_cast<std::size_t>(result);
            continue;
        }
        if (errno == EINTR) continue;
        if (errno != EAGAIN && errno != EWOULDBLOCK)
            return failure("cannot send to the front end", errno);
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
        if (left.count() <= 0)
            return tl::unexpected(std::string("the front end does not read its replies"));
        pollfd waits[2] = {{socket_.get(), POLLOUT, 0}, {stop.value_or(-1), POLLIN, 0}};
        if (::poll(waits, 2, static_cast<int>(left.count())) < 0 && errno != EINTR)
            return failure("cannot wait for the front end", errno);
        if ((waits[1].revents & POLLIN) != 0)
            return tl::unexpected(std::string("stopped while replying"));
    }
    return {};
}

tl::expected<void, std::string> BackendChannel::open(Message& message) {
    if (message.fds.size() != 1)
        return tl::unexpected(std::string("came without a file descriptor"));
    // Sending to a socket of another family may wait for a lock that the peer holds, whatever the
    // flags of the call.
    const int fd = message.fds[0].get();
    if (option(fd, SO_DOMAIN) != AF_UNIX || option(fd, SO_TYPE) != SOCK_STREAM)
        return tl::unexpected(std::string("its file descriptor is not a Unix stream socket"));
    std::swap(socket_, message.fds[0]);
    return {};
}

void BackendChannel::send_config_change() noexcept {
    if (!socket_) return;
    const MessageHeader header{.request = static_cast<std::uint32_t>(BackendRequest::config_change),
                               .flags = MessageHeader::version,
                               .size = 0};
    // A front end that lets this channel fill up has enough pending messages to read the
    // configuration again. A partly sent message would make the channel useless.
    const ssize_t sent = ::send(socket_.get(), &header, sizeof header, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0 && static_cast<std::size_t>(sent) != sizeof header)
        ::shutdown(socket_.get(), SHUT_RDWR);
}

}  // namespace zonebridge::virtio
