#include "service/control_socket.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <poll.h>
#include <string_view>
#include <sys/socket.h>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/thread.h"
#include "base/unique_fd.h"
#include "service/log.h"
#include "virtio/vhost_user/listener.h"

namespace zonebridge::service {
namespace {

using Clock = std::chrono::steady_clock;

/// Whether the client, of that primary group, is a member of `group`.
bool is_member(int socket, gid_t primary, gid_t group) {
    std::vector<gid_t> groups(32);
    auto length = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
    while (::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &length) != 0) {
        if (errno != ERANGE) return primary == group;  // `length` says how many there are
        groups.resize(length / sizeof(gid_t));
    }
    groups.resize(length / sizeof(gid_t));
    return primary == group || std::find(groups.begin(), groups.end(), group) != groups.end();
}

/// The client's user, if that is neither this process's user, nor root, nor of the group that may
/// connect.
std::optional<uid_t> stranger(int socket, std::optional<gid_t> group) {
    ucred peer{};
    socklen_t length = sizeof peer;
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return peer.uid;
    if (peer.uid == 0 || peer.uid == ::geteuid()) return std::nullopt;
    if (group && is_member(socket, peer.gid, *group)) return std::nullopt;
    return peer.uid;
}

}  // namespace

/// Carries out requests on a thread of its own.
class ControlSocket::CommandRunner {
  public:
    struct Job {
        std::uint64_t peer = 0;
        std::string line;
    };
    struct Done {
        std::uint64_t peer = 0;
        ControlReply reply;
    };

    CommandRunner(UniqueFd done_fd, Answer answer, LunTable& luns)
        : answer_(std::move(answer)), luns_(luns), done_fd_(std::move(done_fd)) {}
    CommandRunner(const CommandRunner&) = delete;
    CommandRunner& operator=(const CommandRunner&) = delete;
    ~CommandRunner() { stop(); }

    /// Begins no further request, and waits for the current one.
    void stop() {
        {
            const std::lock_guard guard(lock_);
            stopping_ = true;
        }
        more_.notify_all();
        luns_.hurry();
        if (thread_.joinable()) thread_.join();
    }

    void start() {
        thread_ = start_thread("zb-control-disk", [this] { run(); });
    }

    void give(Job job) {
        {
            const std::lock_guard guard(lock_);
            jobs_.push_back(std::move(job));
        }
        more_.notify_one();
    }
    /// Readable when take_done() has answers.
    [[nodiscard]] int done_fd() const noexcept { return done_fd_.get(); }
    [[nodiscard]] std::vector<Done> take_done() {
        drain_event(done_fd_);
        const std::lock_guard guard(lock_);
        return std::exchange(done_, {});
    }

  private:
    void run() {
        std::unique_lock lock(lock_);
        for (;;) {
            more_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
            if (stopping_) return;
            const auto job = std::move(jobs_.front());
            jobs_.pop_front();
            lock.unlock();
            auto reply = carry_out(job.line);
            lock.lock();
            done_.push_back({job.peer, std::move(reply)});
            signal_event(done_fd_);
        }
    }
    [[nodiscard]] ControlReply carry_out(const std::string& line) const {
        try {
            return answer_(line, luns_);
        } catch (const std::exception& error) {
            // Out of memory: the disk was not added.
            return {control_complaint(error.what()), true};
        }
    }

    const Answer answer_;
    LunTable& luns_;
    const UniqueFd done_fd_;
    std::mutex lock_;
    std::condition_variable more_;
    std::deque<Job> jobs_;    // under lock_
    std::vector<Done> done_;  // under lock_
    bool stopping_ = false;   // under lock_
    std::thread thread_;
};

/// The connected clients, all on one thread that blocks for none of them.
class ControlSocket::Connections {
  public:
    Connections(virtio::Listener listener, UniqueFd stop, CommandRunner& runner,
                const ControlLimits& limits)
        : listener_(std::move(listener)), stop_(std::move(stop)), runner_(runner), limits_(limits) {
        listener_.set_log([](std::string_view line) { log("control: {}", line); });
    }
    Connections(const Connections&) = delete;
    Connections& operator=(const Connections&) = delete;
    ~Connections() {
        signal_event(stop_);
        if (thread_.joinable()) thread_.join();
    }

    void start() {
        thread_ = start_thread("zb-control", [this] {
            while (turn()) continue;
        });
    }

  private:
    struct Peer {
        std::uint64_t id = 0;
        UniqueFd socket;  // none: to be removed
        std::string in;
        std::string out;
        bool last = false;   // close after sending `out`
        bool asked = false;  // the runner has a request of this client
        bool ended = false;  // has sent everything
        Clock::time_point until;
    };

    /// False: this was the last turn.
    [[nodiscard]] bool turn() {
        std::vector<pollfd> waits{{stop_.get(), POLLIN, 0}, {runner_.done_fd(), POLLIN, 0}};
        const auto resume = listener_.resume_at();
        const auto listening = listening_ && connections_.size() < limits_.connections && !resume;
        waits.push_back({listening ? listener_.fd() : -1, POLLIN, 0});
        for (const auto& peer : connections_) {
            // A client that left would be reported again and again while its request is carried
            // out.
            const auto fd = peer.asked ? -1 : peer.socket.get();
            waits.push_back({fd, static_cast<short>(peer.out.empty() ? POLLIN : POLLOUT), 0});
        }
        if (::poll(waits.data(), waits.size(), time_left(resume)) < 0) {
            if (errno == EINTR) return true;
            log("control: the server takes no more commands: {}", std::strerror(errno));
            return false;
        }
        for (auto& done : runner_.take_done()) answer(done);
        if (waits[0].revents != 0) return false;
        for (std::size_t i = 0; i < connections_.size(); ++i)
            if (waits[i + 3].revents != 0) go_on_with(connections_[i]);
        end_waits();
        std::erase_if(connections_, [](const Peer& peer) { return !peer.socket; });
        if (waits[2].revents != 0) accept();
        return true;
    }

    /// Milliseconds for poll(2) until the first client's limit is over, or `first` comes.
    [[nodiscard]] int time_left(std::optional<Clock::time_point> first) const {
        const auto now = Clock::now();
        for (const auto& peer : connections_)
            if (!peer.asked && (!first || peer.until < *first)) first = peer.until;
        if (!first) return -1;
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(*first - now).count();
        return static_cast<int>(std::max<std::int64_t>(left, 0));
    }

    void end_waits() {
        const auto now = Clock::now();
        for (auto& peer : connections_) {
            if (peer.asked || now < peer.until) continue;
            if (peer.out.empty()) {
                complain(peer, "no request came in time");
                go_on_with(peer);
            } else {
                peer.socket.close();  // the client takes no data
            }
        }
    }

    void accept() {
        auto socket = listener_.accept_waiting();
        if (!socket) {
            log("control: {}; the control socket accepts no more connections", socket.error());
            listening_ = false;
            return;
        }
        if (!*socket) return;
        auto& peer = connections_.emplace_back();
        peer.id = next_id_++;
        peer.socket = std::move(**socket);
        if (const auto who = stranger(peer.socket.get(), limits_.access.group)) {
            log("control: refused user {}", *who);
            complain(peer,
                     limits_.access.group
                         ? "only root, the user who runs this server and the members of its "
                           "socket's group may send it commands"
                         : "only root and the user who runs this server may send it commands");
        } else {
            say(peer, control_greeting());
        }
        go_on_with(peer);
    }

    void say(Peer& peer, std::string line) {
        peer.out = std::move(line);
        peer.out += '\n';
        peer.until = Clock::now() + limits_.patience;
    }
    void complain(Peer& peer, std::string_view why) {
        say(peer, control_complaint(why));
        peer.last = true;
    }
    void answer(CommandRunner::Done& done) {
        for (auto& peer : connections_) {
            if (peer.id != done.peer) continue;
            peer.asked = false;
            peer.last = done.reply.last;
            say(peer, std::move(done.reply.line));
            go_on_with(peer);
        }
    }

    /// Reads, asks and sends as far as possible without blocking.
    void go_on_with(Peer& peer) {
        while (peer.socket && !peer.asked) {
            if (!peer.out.empty()) {
                if (!send(peer)) return;
            } else if (const auto end = peer.in.find('\n'); end < limits_.line) {
                auto line = peer.in.substr(0, end);
                peer.in.erase(0, end + 1);
                if (line.find('\0') != std::string::npos) {
                    complain(peer, "a request must be text, without a zero byte");
                    continue;
                }
                peer.asked = true;
                runner_.give({peer.id, std::move(line)});
            } else if (peer.in.size() >= limits_.line) {
                complain(peer, fmt::format("a request must be a line of less than {} bytes",
                                           limits_.line));
            } else if (peer.ended) {
                peer.socket.close();
            } else if (!receive(peer)) {
                return;
            }
        }
    }

    /// False: the socket has no room now.
    [[nodiscard]] bool send(Peer& peer) {
        const auto sent = ::send(peer.socket.get(), peer.out.data(), peer.out.size(),
                                 MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0) {
            if (errno == EAGAIN) return false;
            if (errno != EINTR) peer.socket.close();
            return true;
        }
        peer.out.erase(0, static_cast<std::size_t>(sent));
        if (!peer.out.empty()) return true;
        if (peer.last) peer.socket.close();
        peer.until = Clock::now() + limits_.patience;
        return true;
    }
    [[nodiscard]] bool receive(Peer& peer) {
        std::array<char, 4096> bytes;
        const auto got = ::recv(peer.socket.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
        if (got < 0) {
            if (errno == EAGAIN) return false;
            if (errno != EINTR) peer.socket.close();
            return true;
        }
        if (got == 0) peer.ended = true;
        peer.in.append(bytes.data(), static_cast<std::size_t>(got));
        return true;
    }

    virtio::Listener listener_;
    const UniqueFd stop_;
    CommandRunner& runner_;
    const ControlLimits limits_;
    std::vector<Peer> connections_;
    std::uint64_t next_id_ = 1;
    bool listening_ = true;
    std::thread thread_;
};

tl::expected<std::unique_ptr<ControlSocket>, Error> ControlSocket::open(const std::string& path,
                                                                        LunTable& luns,
                                                                        const ControlLimits& limits,
                                                                        Answer answer) {
    auto listener = virtio::Listener::bind(path, limits.access);
    if (!listener) return tl::unexpected(Error{StatusCode::io_error, listener.error(), {}});
    auto done = make_event_fd();
    auto stop = make_event_fd();
    if (!done || !stop) return tl::unexpected(os_failure(errno, "can't make an eventfd"));
    auto control = std::make_unique<ControlSocket>(Private{});
    control->runner_ = std::make_unique<CommandRunner>(std::move(done), std::move(answer), luns);
    control->connections_ = std::make_unique<Connections>(std::move(*listener), std::move(stop),
                                                          *control->runner_, limits);
    return control;
}

void ControlSocket::start() {
    runner_->start();
    connections_->start();
}

ControlSocket::ControlSocket(Private) {}

ControlSocket::~ControlSocket() {
    // The clients still get the answer to the current request.
    runner_->stop();
}

}  // namespace zonebridge::service
