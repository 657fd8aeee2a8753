// The control socket with well-behaved and misbehaving peers, and answers of the test's own.
#include "service/control_socket.h"

#include <array>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <optional>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/unique_fd.h"
#include "tests/unit/support/few_descriptors.h"
#include "tests/unit/support/temporary.h"

namespace zonebridge::service {
namespace {

using namespace std::chrono_literals;

/// More than a socket holds.
constexpr std::size_t much = 1 << 20;

/// Answers in place of the protocol: echoes each line; a few lines have a special effect.
class Echo {
  public:
    ControlReply operator()(std::string_view line) {
        ++asked;
        if (line == "throw") throw std::runtime_error("thrown");
        if (line == "wait")
            while (!go_on) std::this_thread::sleep_for(1ms);
        if (line == "much") return {std::string(much, 'm'), false};
        return {"echo " + std::string(line), line == "bye"};
    }

    std::atomic<int> asked = 0;
    std::atomic<bool> go_on = false;
};

class Peer {
  public:
    explicit Peer(const std::string& path) : socket_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        if (::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) !=
            0)
            throw std::runtime_error("connect");
    }

    void send(std::string_view bytes) const {
        while (!bytes.empty()) {
            const auto sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (sent <= 0) return;  // the server closed the connection
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        }
    }
    /// The next line; "(end)" if the connection is closed, "(nothing)" if no line arrived in time.
    std::string line(std::chrono::milliseconds limit = 20s) {
        for (;;) {
            if (const auto end = bytes_.find('\n'); end != std::string::npos) {
                auto line = bytes_.substr(0, end);
                bytes_.erase(0, end + 1);
                return line;
            }
            pollfd wait{socket_.get(), POLLIN, 0};
            if (::poll(&wait, 1, static_cast<int>(limit.count())) == 0) return "(nothing)";
            std::array<char, 4096> piece;
            const auto got = ::recv(socket_.get(), piece.data(), piece.size(), 0);
            if (got <= 0) return "(end)";
            bytes_.append(piece.data(), static_cast<std::size_t>(got));
        }
    }
    void half_close() const { ::shutdown(socket_.get(), SHUT_WR); }

  private:
    UniqueFd socket_;
    std::string bytes_;
};

/// Whether that thread of this process sleeps in the kernel.
bool sleeps(pid_t thread) {
    std::ifstream status(fmt::format("/proc/self/task/{}/status", thread));
    for (std::string line; std::getline(status, line);)
        if (line.starts_with("State:")) return line.find("S (sleeping)") != std::string::npos;
    return false;
}

/// Empty if the line is no refusal.
std::string complaint_in(const std::string& line) {
    const auto answer = parse_answer(line);
    return answer && !*answer ? answer->error() : "";
}

class Socket : public ::testing::Test {
  protected:
    void open(const ControlLimits& limits = {}) {
        auto opened = ControlSocket::open(
            path, luns, limits, [this](std::string_view line, LunTable&) { return echo(line); });
        if (!opened) throw std::runtime_error(opened.error().message);
        control = std::move(*opened);
        control->start();
    }
    Peer greeted() const {
        Peer peer(path);
        EXPECT_EQ(peer.line(), control_greeting());
        return peer;
    }
    void expect_alive() const {
        auto peer = greeted();
        peer.send("still there?\n");
        EXPECT_EQ(peer.line(), "echo still there?");
    }

    test::TemporaryFolder folder;
    const std::string path = folder / "control";
    Echo echo;
    LunTable luns{DiskOptions{}};
    std::unique_ptr<ControlSocket> control;
};

TEST_F(Socket, IsForItsUserOnlyAndRemovedByItsServer) {
    open();
    struct stat info {};
    ASSERT_EQ(::stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600U);
    EXPECT_FALSE(ControlSocket::open(path, luns)) << "another server is listening there";
    control.reset();
    EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(Socket, OtherUsersAreRefusedEvenIfFilePermissionsLetThemConnect) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can be another user";
    open();
    std::filesystem::permissions(folder.path(), std::filesystem::perms{0755});
    std::filesystem::permissions(path, std::filesystem::perms{0666});
    const auto child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        constexpr uid_t nobody = 65534;
        if (::setuid(nobody) != 0) ::_exit(2);
        Peer peer(path);
        const auto said = peer.line();
        ::_exit(complaint_in(said).starts_with("only root and the user who runs this server") &&
                        peer.line() == "(end)"
                    ? 0
                    : 1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    expect_alive();
}

TEST_F(Socket, AnswersLineByLine) {
    open();
    auto peer = greeted();
    peer.send("one\ntwo\nth");
    EXPECT_EQ(peer.line(), "echo one");
    EXPECT_EQ(peer.line(), "echo two");
    EXPECT_EQ(peer.line(30ms), "(nothing)");
    peer.send("ree\n\n");
    EXPECT_EQ(peer.line(), "echo three");
    EXPECT_EQ(peer.line(), "echo ");
    peer.send("four\nhalf a line");
    peer.half_close();
    EXPECT_EQ(peer.line(), "echo four");
    EXPECT_EQ(peer.line(), "(end)");
}

TEST_F(Socket, AFinalAnswerClosesTheConnection) {
    open();
    auto peer = greeted();
    peer.send("bye\none more\n");
    EXPECT_EQ(peer.line(), "echo bye");
    EXPECT_EQ(peer.line(), "(end)");
    auto thrown = greeted();
    thrown.send("throw\n");
    EXPECT_EQ(thrown.line(), control_complaint("thrown"));
    EXPECT_EQ(thrown.line(), "(end)");
    expect_alive();
}

TEST_F(Socket, InvalidLinesCloseTheConnection) {
    open({.line = 100});
    const auto expect_closed = [this](std::string_view bytes) {
        auto peer = greeted();
        peer.send(bytes);
        EXPECT_NE(complaint_in(peer.line()), "") << bytes.size();
        EXPECT_EQ(peer.line(), "(end)");
    };
    expect_closed(std::string(100, 'x'));
    expect_closed(std::string(100, 'x') + "\n");
    expect_closed(std::string(1 << 20, 'x'));
    expect_closed(std::string_view("a\0b\n", 4));
    EXPECT_EQ(echo.asked, 0);
    auto peer = greeted();
    const std::string longest(99, 'x');
    peer.send(longest + "\n");
    EXPECT_EQ(peer.line(), "echo " + longest);
}

TEST_F(Socket, ASilentPeerIsDisconnectedAfterATimeout) {
    open({.patience = 500ms});
    auto silent = greeted();
    auto slow = greeted();
    slow.send("half");
    EXPECT_EQ(silent.line(), control_complaint("no request came in time"));
    EXPECT_EQ(silent.line(), "(end)");
    EXPECT_EQ(slow.line(), control_complaint("no request came in time"));
    expect_alive();
}

TEST_F(Socket, APeerThatDoesNotReadBlocksNoOther) {
    open({.patience = 20s});
    const auto stuck = greeted();
    stuck.send("much\n");  // and does not read the answer
    while (echo.asked == 0) std::this_thread::yield();
    expect_alive();
    auto peer = greeted();
    peer.send("much\n");
    EXPECT_EQ(peer.line().size(), much);
}

TEST_F(Socket, APeerThatDoesNotReadIsDisconnectedAfterATimeout) {
    open({.connections = 1, .patience = 1s});
    const auto stuck = greeted();
    stuck.send("much\n");
    expect_alive();
}

TEST_F(Socket, PeersBeyondTheLimitWait) {
    open({.connections = 2, .patience = 20s});
    auto one = std::make_unique<Peer>(greeted());
    const auto two = greeted();
    Peer three(path);
    EXPECT_EQ(three.line(50ms), "(nothing)");
    one.reset();
    EXPECT_EQ(three.line(), control_greeting());
}

TEST_F(Socket, APeerIsAcceptedOnceADescriptorIsFree) {
    using test::FewDescriptors;
    open();
    std::optional<FewDescriptors> shortage(std::in_place, FewDescriptors::Left::one);
    Peer peer(path);  // uses the last free descriptor
    EXPECT_EQ(peer.line(500ms), "(nothing)");
    shortage.reset();
    EXPECT_EQ(peer.line(), control_greeting());
}

TEST_F(Socket, PeersMayDisconnectAtAnyMoment) {
    open({.connections = 4});
    for (int i = 0; i < 200; ++i) {
        const Peer peer(path);
        if (i % 4 == 1) peer.send("request\n");
        if (i % 4 == 2) peer.send("half");
        if (i % 4 == 3) peer.send("much\n");
    }
    expect_alive();
}

TEST_F(Socket, OthersAreGreetedWhileARequestTakesLong) {
    open({.patience = 500ms});
    auto busy = greeted();
    busy.send("wait\n");
    while (echo.asked == 0) std::this_thread::yield();
    auto next = greeted();
    next.send("next\n");
    EXPECT_EQ(next.line(700ms), "(nothing)") << "requests are answered one after another";
    echo.go_on = true;
    EXPECT_EQ(busy.line(), "echo wait");
    EXPECT_EQ(next.line(), "echo next") << "a peer that waits for the server does not time out";
}

TEST_F(Socket, AtItsEndTheServerAnswersTheCurrentRequestAndNoOther) {
    open();
    auto busy = greeted();
    busy.send("wait\n");
    while (echo.asked == 0) std::this_thread::yield();
    auto next = greeted();
    next.send("next\n");
    // The request ends once the server waits for it: this thread sleeps in the destructor then.
    std::atomic<bool> closing = false;
    std::thread later([this, &closing, closer = ::gettid()] {
        while (!closing || !sleeps(closer)) std::this_thread::sleep_for(1ms);
        echo.go_on = true;
    });
    closing = true;
    control.reset();
    later.join();
    EXPECT_EQ(busy.line(), "echo wait");
    EXPECT_EQ(busy.line(), "(end)");
    EXPECT_EQ(next.line(), "(end)");
    EXPECT_EQ(echo.asked, 1);
}

}  // namespace
}  // namespace zonebridge::service
