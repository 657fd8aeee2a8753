// Who gets a server's sockets, and its one place for a front end: silent front ends, a second one,
// servers that start at one path, the access of the sockets' files.

#include <array>
#include <chrono>
#include <fcntl.h>
#include <filesystem>
#include <functional>
#include <grp.h>
#include <memory>
#include <optional>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/served/served_disk.h"

namespace zonebridge::test {
namespace {

namespace message = driver::message;
using driver::pack;

using Arguments = std::vector<std::string>;

sockaddr_un address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    return address;
}

/// A front end that says too little: nothing, or half a message.
struct Silent {
    const char* name;
    driver::Bytes words;
};

class SilentFrontEnd : public testing::TestWithParam<Silent> {};

TEST_P(SilentFrontEnd, LosesItsPlace) {
    ServedDisk served({"--queues", "2", "--first-message", "1"}, "scsi", {}, ServedDisk::Log::kept);
    auto silent = must(driver::Connection::to(served.socket()));
    if (!GetParam().words.empty()) must(silent.send_raw(GetParam().words));
    {
        Guest next(served);
        EXPECT_TRUE(must(next.scsi->test_unit_ready()).good());
    }
    EXPECT_TRUE(silent.closed());
    EXPECT_EQ(served.stop(), 0);
    EXPECT_NE(served.log().find("no message within 1 s"), std::string::npos) << served.log();
}

INSTANTIATE_TEST_SUITE_P(
    Peers, SilentFrontEnd,
    testing::Values(Silent{"nothing", {}}, Silent{"half_a_header", pack(std::uint32_t{1})},
                    Silent{"a_header",
                           pack(std::uint32_t{16}, std::uint32_t{1}, std::uint32_t{8})}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(FirstMessage, AFrontEndThatSaidSomethingMayBeSilent) {
    ServedDisk served({"--queues", "2", "--first-message", "1"}, "scsi", {}, ServedDisk::Log::kept);
    {
        driver::FrontEnd early(must(driver::Connection::to(served.socket())));
        (void)must(early.ask(message::get_features));
        std::this_thread::sleep_for(std::chrono::milliseconds{1500});
        EXPECT_TRUE(early.ask(message::get_features));
    }
    EXPECT_EQ(served.stop(), 0);
    EXPECT_EQ(served.log().find("no message"), std::string::npos) << served.log();
}

TEST(SecondFrontEnd, WaitsForItsTurnAndTheLogSaysSo) {
    ServedDisk served({"--queues", "2"}, "scsi", {}, ServedDisk::Log::kept);
    std::optional<Guest> first(std::in_place, served);
    driver::FrontEnd second(must(driver::Connection::to(served.socket())));
    EXPECT_TRUE(must(first->scsi->test_unit_ready()).good());
    // More than wait with a word.
    std::vector<driver::Connection> others;
    for (int i = 0; i < 6; ++i) others.push_back(must(driver::Connection::to(served.socket())));
    EXPECT_TRUE(must(first->scsi->test_unit_ready()).good());
    first.reset();
    EXPECT_TRUE(second.ask(message::get_features));
    second.connection().close();
    for (auto& other : others) {
        driver::FrontEnd front_end(std::move(other));
        EXPECT_TRUE(front_end.ask(message::get_features));
    }
    EXPECT_EQ(served.stop(), 0);
    EXPECT_NE(served.log().find(
                  "session 1: another front end connected: it waits until this session ends"),
              std::string::npos)
        << served.log();
}

TEST(SecondFrontEnd, IsRefusedAtOnceIfToldSo) {
    ServedDisk served({"--queues", "2", "--second-front-end", "refuse"}, "scsi", {},
                      ServedDisk::Log::kept);
    {
        Guest first(served);
        auto second = must(driver::Connection::to(served.socket()));
        EXPECT_TRUE(second.closed());
        EXPECT_TRUE(must(first.scsi->test_unit_ready()).good());
    }
    { Guest next(served); }
    EXPECT_EQ(served.stop(), 0);
    EXPECT_NE(served.log().find("session 1: another front end connected and was refused"),
              std::string::npos)
        << served.log();
}

/// Leaves a socket at `path` that no process listens on.
void leave_dead_socket(const std::string& path) {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const auto address = address_of(path);
    ASSERT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ::close(fd);
}

/// Starts six servers with the `paths` of each, and counts those that say
/// that they are ready.
std::size_t ready_servers(const std::function<Arguments(std::size_t)>& paths,
                          const std::string& log) {
    std::vector<std::unique_ptr<Background>> servers;
    for (std::size_t i = 0; i < 6; ++i) {
        Arguments arguments{"serve", "--virtio", "scsi", "--queues", "1"};
        const auto more = paths(i);
        arguments.insert(arguments.end(), more.begin(), more.end());
        servers.push_back(
            std::make_unique<Background>(arguments, Arguments{}, log + std::to_string(i)));
    }
    std::size_t ready = 0;
    for (const auto& server : servers)
        if (server->output_until("ready:").find("ready:") != std::string::npos) ++ready;
    return ready;
}

class OnePath : public testing::TestWithParam<bool> {};

TEST_P(OnePath, GoesToExactlyOneOfTheServersThatStartThere) {
    const TemporaryFolder folder;
    const auto shared = folder / "shared";
    const auto own = [&](std::size_t i) { return folder / ("own" + std::to_string(i)); };
    for (int round = 0; round < 8; ++round) {
        std::filesystem::remove(shared);
        ASSERT_NO_FATAL_FAILURE(leave_dead_socket(shared));
        // The servers die without removing anything: later rounds find their locks, too.
        ASSERT_EQ(ready_servers(
                      [&](std::size_t i) {
                          return GetParam() ? Arguments{"--socket", own(i), "--control", shared}
                                            : Arguments{"--socket", shared, "--control", own(i)};
                      },
                      folder / "log"),
                  1U)
            << "round " << round;
    }
}

INSTANTIATE_TEST_SUITE_P(Servers, OnePath, testing::Bool(), [](const auto& info) {
    return std::string(info.param ? "control" : "vhost_user");
});

mode_t mode_of(const std::string& path) {
    struct stat facts {};
    EXPECT_EQ(::stat(path.c_str(), &facts), 0) << path;
    return facts.st_mode & 07777;
}
gid_t group_of(const std::string& path) {
    struct stat facts {};
    EXPECT_EQ(::stat(path.c_str(), &facts), 0) << path;
    return facts.st_gid;
}

TEST(SocketAccess, IsAsToldForBothSockets) {
    const TemporaryFolder folder;
    const auto socket = folder / "socket";
    const auto control = folder / "control";
    const auto own = std::to_string(::getegid());
    const std::pair<Arguments, mode_t> cases[] = {
        {Arguments{}, 0600},
        {{"--socket-mode", "0666"}, 0666},
        {{"--socket-mode", "620"}, 0620},
        {{"--socket-group", own}, 0660},
        {{"--socket-group", own, "--socket-mode", "0640"}, 0640},
    };
    for (const auto& [options, mode] : cases) {
        Arguments arguments{"serve",    "--virtio", "scsi",      "--queues", "1",
                            "--socket", socket,     "--control", control};
        arguments.insert(arguments.end(), options.begin(), options.end());
        Background server(arguments);
        ASSERT_NE(server.output_until("ready:").find("ready:"), std::string::npos);
        EXPECT_EQ(mode_of(socket), mode);
        EXPECT_EQ(mode_of(control), mode);
        EXPECT_EQ(group_of(socket), ::getegid());
        EXPECT_EQ(server.stop(), 0);
        EXPECT_FALSE(std::filesystem::exists(control + ".lock"));
    }
}

/// The first line that the control socket sends to a process of user and group 65534 that is also a
/// member of `group`; empty if it can't connect.
std::string first_line_for(const std::string& control, gid_t group) {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    const auto child = ::fork();
    if (child == 0) {
        const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const auto address = address_of(control);
        std::array<char, 4096> line{};
        if (::setgroups(1, &group) != 0 || ::setgid(65534) != 0 || ::setuid(65534) != 0 ||
            ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
            ::_exit(1);
        const auto got = ::recv(fd, line.data(), line.size(), 0);
        if (got > 0) (void)!::write(ends[1], line.data(), static_cast<std::size_t>(got));
        ::_exit(0);
    }
    ::close(ends[1]);
    std::array<char, 4096> line{};
    const auto got = ::read(ends[0], line.data(), line.size());
    ::close(ends[0]);
    ::waitpid(child, nullptr, 0);
    return {line.data(), static_cast<std::size_t>(got > 0 ? got : 0)};
}

TEST(SocketAccess, MembersOfTheGroupMaySendRequestsAndOthersMayNot) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root, to be another user";
    constexpr gid_t group = 23456;
    const TemporaryFolder folder;
    std::filesystem::permissions(folder.path(), std::filesystem::perms::others_exec,
                                 std::filesystem::perm_options::add);
    const auto control = folder / "control";
    Background server({"serve", "--virtio", "scsi", "--queues", "1", "--socket", folder / "socket",
                       "--control", control, "--socket-group", std::to_string(group),
                       "--socket-mode", "0666"});
    ASSERT_NE(server.output_until("ready:").find("ready:"), std::string::npos);
    EXPECT_EQ(group_of(control), group);
    EXPECT_EQ(first_line_for(control, group).find("may send it commands"), std::string::npos);
    EXPECT_NE(first_line_for(control, group), "");
    EXPECT_NE(first_line_for(control, group + 1).find("may send it commands"), std::string::npos);
    EXPECT_EQ(server.stop(), 0);
}

}  // namespace
}  // namespace zonebridge::test
