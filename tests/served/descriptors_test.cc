// Descriptors that a front end shares and turns against the server: full, blocking, or of a kind
// that can block whatever its flags say.

#include <array>
#include <cstdint>
#include <fcntl.h>
#include <functional>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/served/served_disk.h"

namespace zonebridge::test {
namespace {

namespace message = driver::message;

/// Leaves no room for one more signal in the eventfd, and makes a write that finds no room wait.
void fill(int fd) {
    std::uint64_t count = 0;
    (void)!::read(fd, &count, sizeof count);
    const std::uint64_t most = 0xFFFFFFFFFFFFFFFE;
    ASSERT_EQ(::write(fd, &most, sizeof most), static_cast<ssize_t>(sizeof most));
    ASSERT_EQ(::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) & ~O_NONBLOCK), 0);
}

class FullDescriptors : public testing::Test {
  protected:
    FullDescriptors()
        : served_({"--queues", "2", "--workers", "1"}, "scsi", {}, ServedDisk::Log::kept) {}

    void expect_served() {
        Guest next(served_);
        const auto written = must(next.scsi->write(ServedDisk::lba(zone), bytes_of(4096, 5), 512));
        EXPECT_TRUE(written.good()) << written.text();
    }

    ServedDisk served_;
};

TEST_F(FullDescriptors, ACallDescriptorWithoutRoomBlocksNoWorker) {
    {
        Guest guest(served_);
        auto& queue = guest.scsi->request(0);
        ASSERT_NO_FATAL_FAILURE(fill(queue.call_fd));
        for (int i = 0; i < 20; ++i) {
            const auto done = must(guest.scsi->test_unit_ready());
            EXPECT_TRUE(done.good()) << done.text();
        }
        // A new descriptor is notified at once, and a queue that stops a last time.
        const std::array fds{queue.call_fd};
        must(guest.front_end.tell(message::set_vring_call, driver::pack(std::uint64_t{queue.index}),
                                  fds));
        (void)must(guest.front_end.stop(queue.index));
    }
    expect_served();
    EXPECT_EQ(served_.stop(), 0);
}

TEST_F(FullDescriptors, AnErrorDescriptorWithoutRoomBlocksNoWorker) {
    {
        Guest guest(served_);
        auto& queue = guest.scsi->request(0);
        ASSERT_NO_FATAL_FAILURE(fill(queue.error_fd));
        queue.ring.make_available(9999);
        queue.kick();
        EXPECT_TRUE(guest.front_end.connection().closed()) << "the session did not end";
    }
    expect_served();
    EXPECT_EQ(served_.stop(), 0);
}

struct Kind {
    const char* name;
    std::function<int()> open;
};

int connected_tcp() {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&any), sizeof any), 0);
    return fd;
}

int end_of(std::array<int, 2> pair) {
    ::close(pair[0]);
    return pair[1];
}

const Kind not_eventfds[] = {
    {"pipe",
     [] {
         std::array<int, 2> ends{};
         EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK), 0);
         return end_of(ends);
     }},
    {"socket",
     [] {
         std::array<int, 2> ends{};
         EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
         return end_of(ends);
     }},
    {"tcp_socket", connected_tcp},
    {"epoll", [] { return ::epoll_create1(EPOLL_CLOEXEC); }},
    {"timer", [] { return ::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC); }},
    {"device", [] { return ::open("/dev/null", O_RDWR | O_CLOEXEC); }},
    {"folder", [] { return ::open("/", O_RDONLY | O_CLOEXEC); }},
    {"path", [] { return ::open("/", O_PATH | O_CLOEXEC); }},
};

class NotAnEventfd : public testing::TestWithParam<Kind> {};

// The kernel takes a lock of a pipe or an epoll descriptor that the peer can hold for ever, also
// when the descriptor does not block.
TEST_P(NotAnEventfd, IsRefusedAsADescriptorOfAQueue) {
    ServedDisk served({"--queues", "2"}, "scsi", {}, ServedDisk::Log::kept);
    for (const auto request :
         {message::set_vring_kick, message::set_vring_call, message::set_vring_err}) {
        Guest guest(served);
        const std::array fds{GetParam().open()};
        EXPECT_FALSE(guest.front_end.tell(request, driver::pack(std::uint64_t{2}), fds));
        ::close(fds[0]);
        EXPECT_TRUE(guest.front_end.connection().closed()) << "the session did not end";
    }
    { Guest next(served); }
    EXPECT_EQ(served.stop(), 0);
    for (const auto* const name : {"SET_VRING_KICK", "SET_VRING_CALL", "SET_VRING_ERR"})
        EXPECT_NE(served.log().find(std::string(name) +
                                    ": queue 2: its file descriptor is not an eventfd"),
                  std::string::npos)
            << served.log();
}

INSTANTIATE_TEST_SUITE_P(Peers, NotAnEventfd, testing::ValuesIn(not_eventfds),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(BackEndChannel, OfAnythingButAUnixStreamSocketIsRefused) {
    ServedDisk served({"--queues", "2"}, "scsi", {}, ServedDisk::Log::kept);
    const std::array opens{
        std::function<int()>(connected_tcp),
        std::function<int()>([] { return ::open("/dev/null", O_RDWR | O_CLOEXEC); }),
        std::function<int()>([] { return ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0); })};
    for (const auto& open : opens) {
        Guest guest(served);
        const std::array fds{open()};
        EXPECT_FALSE(guest.front_end.tell(message::set_backend_req_fd, {}, fds));
        ::close(fds[0]);
        EXPECT_TRUE(guest.front_end.connection().closed()) << "the session did not end";
    }
    { Guest next(served); }
    EXPECT_EQ(served.stop(), 0);
    EXPECT_NE(served.log().find("is not a Unix stream socket"), std::string::npos) << served.log();
}

// A socket that lingers makes the close of its last descriptor wait: the session's thread must not.
TEST(LingeringSocket, DoesNotHoldTheSessionsThread) {
    ServedDisk served({"--queues", "2"}, "scsi", {}, ServedDisk::Log::kept);
    // A connection whose peer takes no data: unsent bytes keep the socket from closing.
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int small = 1024;
    ::setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), length), 0);
    ASSERT_EQ(::listen(listener, 1), 0);
    ASSERT_EQ(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length), 0);
    const int sender = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT_EQ(::connect(sender, reinterpret_cast<sockaddr*>(&address), length), 0);
    const int receiver = ::accept(listener, nullptr, nullptr);
    ASSERT_GE(receiver, 0);
    const std::vector<char> bytes(1 << 20);
    while (::send(sender, bytes.data(), bytes.size(), MSG_DONTWAIT) > 0) continue;
    const linger wait{1, 3600};
    ASSERT_EQ(::setsockopt(sender, SOL_SOCKET, SO_LINGER, &wait, sizeof wait), 0);
    {
        Guest guest(served);
        // A descriptor that the server does not use, and only closes. The message that it belongs to
        // ends when the server is the last holder.
        const auto bytes = driver::pack(message::set_log_fd, std::uint32_t{1}, std::uint32_t{0});
        const std::array fds{sender};
        auto& connection = guest.front_end.connection();
        ASSERT_TRUE(connection.send_raw(std::span(bytes).first(4), fds));
        ::close(sender);
        ASSERT_TRUE(connection.send_raw(std::span(bytes).subspan(4)));
        EXPECT_TRUE(guest.front_end.connection().closed()) << "the session did not end";
    }
    { Guest next(served); }
    EXPECT_EQ(served.stop(), 0);
    EXPECT_NE(served.log().find("a file descriptor that came with message 7 does not close"),
              std::string::npos)
        << served.log();
    ::close(receiver);
    ::close(listener);
}

}  // namespace
}  // namespace zonebridge::test
