#include "tools/control_client.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <utility>

#include <fmt/format.h>

#include "base/unique_fd.h"

namespace zonebridge::tools {
namespace {

// A server sends its greeting at once, even while it is busy.
constexpr int greeting_patience_ms = 5000;

tl::unexpected<Failure> refuse(std::string message) {
    return tl::unexpected(refusal(std::move(message)));
}
tl::unexpected<Failure> system_failure(int error, std::string what) {
    return tl::unexpected(failure_of(os_failure(error, std::move(what))));
}

tl::expected<UniqueFd, Failure> connect_to(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path)
        return refuse(fmt::format("{}: this path is too long for a socket: {} bytes are the most",
                                  path, sizeof address.sun_path - 1));
    std::memcpy(address.sun_path, path.data(), path.size());
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) {
        if (errno == ENOENT)
            return refuse(fmt::format(
                "{}: no server is listening there; start one with 'zonebridge serve --control {}'",
                path, path));
        return system_failure(errno, path);
    }
    if (!S_ISSOCK(info.st_mode)) return refuse(fmt::format("{} is not a socket", path));
    UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket) return system_failure(errno, "can't create a socket");
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
        return socket;
    if (errno == ECONNREFUSED)
        return refuse(
            fmt::format("{}: no server is listening there any more: the server that created this "
                        "socket has ended",
                        path));
    if (errno == EACCES)
        return system_failure(
            errno,
            fmt::format("{}: only root and the user who runs the server may send it commands",
                        path));
    return system_failure(errno, path);
}

/// Reads lines one after the other.
class Lines {
  public:
    explicit Lines(int socket) : socket_(socket) {}

    /// Nothing: the server closed the connection, or sent nothing for that many milliseconds (-1:
    /// no limit).
    std::optional<std::string> next(int patience_ms) {
        for (;;) {
            if (const auto end = bytes_.find('\n'); end != std::string::npos) {
                auto line = bytes_.substr(0, end);
                bytes_.erase(0, end + 1);
                return line;
            }
            if (bytes_.size() > most) return std::nullopt;
            pollfd wait{socket_, POLLIN, 0};
            const auto ready = ::poll(&wait, 1, patience_ms);
            if (ready < 0 && errno == EINTR) continue;
            if (ready <= 0) return std::nullopt;
            std::array<char, 4096> piece;
            const auto got = ::recv(socket_, piece.data(), piece.size(), 0);
            if (got < 0 && errno == EINTR) continue;
            if (got <= 0) return std::nullopt;
            bytes_.append(piece.data(), static_cast<std::size_t>(got));
        }
    }

  private:
    static constexpr std::size_t most = 16 << 20;

    int socket_;
    std::string bytes_;
};

}  // namespace

tl::expected<service::ControlAnswer, Failure> ask_server(const std::string& path,
                                                         const service::ControlRequest& request) {
    auto line = service::encode(request);
    if (!line)
        return refuse(
            "the device's name is not UTF-8, and a server takes only names in UTF-8; rename the "
            "file, or make a link to it");
    const auto socket = connect_to(path);
    if (!socket) return tl::unexpected(socket.error());
    Lines lines(socket->get());
    // Send nothing before the greeting: the socket may be another one, like a server's vhost-user
    // socket.
    const auto greeting = lines.next(greeting_patience_ms);
    if (!greeting)
        return refuse(
            fmt::format("{}: this is not a control socket; if it is the server's --socket, which "
                        "is for guests, give the path of the server's --control instead",
                        path));
    if (const auto known = service::check_greeting(*greeting); !known)
        return refuse(fmt::format("{}: {}", path, known.error()));

    *line += '\n';
    std::size_t sent = 0;
    while (sent < line->size()) {
        const auto count =
            ::send(socket->get(), line->data() + sent, line->size() - sent, MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) break;  // its last line may give the reason
        sent += static_cast<std::size_t>(count);
    }
    const auto said = lines.next(-1);
    if (!said)
        return refuse(fmt::format(
            "{}: the server ended before it answered; it may have carried out the command", path));
    auto answer = service::parse_answer(*said);
    if (!answer) return refuse(fmt::format("{}: the server's answer is malformed", path));
    if (!*answer) return refuse(answer->error());
    return std::move(**answer);
}

}  // namespace zonebridge::tools
