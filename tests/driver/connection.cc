#include "tests/driver/connection.h"

#include <cerrno>
#include <cstring>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

namespace zonebridge::driver {
namespace {

constexpr std::size_t header_bytes = 12;
constexpr std::uint32_t version = 1;
constexpr std::uint32_t reply_flag = 4;
constexpr std::size_t most_fds = 64;

tl::unexpected<std::string> failure(const char* what) {
    return tl::unexpected(fmt::format("{}: {}", what, std::strerror(errno)));
}

std::uint32_t word_at(std::span<const std::byte> bytes, std::size_t index) {
    std::uint32_t value = 0;
    std::memcpy(&value, bytes.data() + 4 * index, sizeof value);
    return value;
}

bool wait_readable(int fd, std::chrono::steady_clock::time_point deadline) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    pollfd wait{fd, POLLIN, 0};
    return left.count() > 0 && ::poll(&wait, 1, static_cast<int>(left.count())) > 0;
}

}  // namespace

Result<std::uint64_t> Reply::u64() const {
    std::uint64_t value = 0;
    if (payload.size() != sizeof value)
        return tl::unexpected(
            fmt::format("reply to {} has {} bytes, not 8", request, payload.size()));
    std::memcpy(&value, payload.data(), sizeof value);
    return value;
}

Result<Connection> Connection::to(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) return tl::unexpected("path too long: " + path);
    std::memcpy(address.sun_path, path.data(), path.size());
    Connection connection(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (connection.fd_ < 0) return failure("socket");
    if (::connect(connection.fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        return failure(path.c_str());
    return connection;
}

Connection::Connection(Connection&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

Connection& Connection::operator=(Connection&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
}

Connection::~Connection() {
    close();
}

void Connection::close() noexcept {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
}

Result<void> Connection::send_raw(std::span<const std::byte> bytes,
                                  std::span<const int> fds) const {
    iovec buffer{const_cast<std::byte*>(bytes.data()), bytes.size()};
    alignas(cmsghdr) std::byte control[CMSG_SPACE(most_fds * sizeof(int))]{};
    msghdr message{};
    message.msg_iov = &buffer;
    message.msg_iovlen = 1;
    if (!fds.empty()) {
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(fds.size_bytes());
        cmsghdr* const part = CMSG_FIRSTHDR(&message);
        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = SCM_RIGHTS;
        part->cmsg_len = CMSG_LEN(fds.size_bytes());
        std::memcpy(CMSG_DATA(part), fds.data(), fds.size_bytes());
    }
    const ssize_t sent = ::sendmsg(fd_, &message, MSG_NOSIGNAL);
    if (sent < 0) return failure("send");
    if (static_cast<std::size_t>(sent) != bytes.size())
        return tl::unexpected(std::string("the message was sent in part only"));
    return {};
}

Result<void> Connection::send(std::uint32_t request, const Bytes& payload, std::span<const int> fds,
                              std::uint32_t flags) const {
    Bytes bytes = pack(request, version | flags, static_cast<std::uint32_t>(payload.size()));
    bytes.insert(bytes.end(), payload.begin(), payload.end());
    return send_raw(bytes, fds);
}

Result<Reply> Connection::receive(std::chrono::milliseconds limit) const {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    Reply reply;
    Bytes bytes(header_bytes);
    std::size_t received = 0;
    while (received < bytes.size()) {
        if (!wait_readable(fd_, deadline))
            return tl::unexpected(std::string("no message from the back end in time"));
        iovec buffer{bytes.data() + received, bytes.size() - received};
        alignas(cmsghdr) std::byte control[CMSG_SPACE(most_fds * sizeof(int))];
        msghdr message{};
        message.msg_iov = &buffer;
        message.msg_iovlen = 1;
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        const ssize_t count = ::recvmsg(fd_, &message, MSG_CMSG_CLOEXEC);
        if (count < 0) return failure("receive");
        if (count == 0) return tl::unexpected(std::string("the back end hung up"));
        for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
             part = CMSG_NXTHDR(&message, part)) {
            const std::size_t fds = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            reply.fds.resize(reply.fds.size() + fds);
            std::memcpy(reply.fds.data() + reply.fds.size() - fds, CMSG_DATA(part),
                        fds * sizeof(int));
        }
        received += static_cast<std::size_t>(count);
        if (received == header_bytes && bytes.size() == header_bytes)
            bytes.resize(header_bytes + word_at(bytes, 2));
    }
    reply.request = word_at(bytes, 0);
    reply.flags = word_at(bytes, 1);
    reply.payload.assign(bytes.begin() + header_bytes, bytes.end());
    return reply;
}

Result<Reply> Connection::ask(std::uint32_t request, const Bytes& payload,
                              std::span<const int> fds) const {
    if (auto sent = send(request, payload, fds); !sent) return tl::unexpected(sent.error());
    auto reply = receive();
    if (reply && (reply->request != request || reply->flags != (version | reply_flag)))
        return tl::unexpected(fmt::format("asked {}, got message {} with flags {:#x}", request,
                                          reply->request, reply->flags));
    return reply;
}

bool Connection::closed(std::chrono::milliseconds limit) const {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    std::byte discard[256];
    while (wait_readable(fd_, deadline)) {
        const ssize_t count = ::recv(fd_, discard, sizeof discard, 0);
        if (count == 0 || (count < 0 && errno != EINTR)) return true;
    }
    return false;
}

}  // namespace zonebridge::driver
