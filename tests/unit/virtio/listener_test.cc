#include "virtio/vhost_user/listener.h"

#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/driver/connection.h"
#include "tests/unit/support/few_descriptors.h"

namespace zonebridge::virtio {
namespace {

using test::FewDescriptors;

class SocketListener : public testing::Test {
  protected:
    SocketListener() {
        std::string pattern = "/tmp/zonebridge-listener-XXXXXX";
        EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
        directory_ = pattern;
        path_ = directory_ + "/socket";
    }
    ~SocketListener() override { std::filesystem::remove_all(directory_); }

    std::string directory_;
    std::string path_;
};

TEST_F(SocketListener, BindsForItsUserOnlyAndCleansUp) {
    {
        auto listener = Listener::bind(path_);
        ASSERT_TRUE(listener) << listener.error();
        EXPECT_FALSE(listener->single());
        struct stat info {};
        ASSERT_EQ(::stat(path_.c_str(), &info), 0);
        EXPECT_TRUE(S_ISSOCK(info.st_mode));
        EXPECT_EQ(info.st_mode & 0777, 0600u);
        for (int i = 0; i < 3; ++i) {
            const auto front_end = driver::Connection::to(path_);
            ASSERT_TRUE(front_end) << front_end.error();
            const auto accepted = listener->accept(std::nullopt);
            ASSERT_TRUE(accepted) << accepted.error();
            ASSERT_TRUE(*accepted);
            EXPECT_NE(::fcntl((*accepted)->get(), F_GETFD) & FD_CLOEXEC, 0);
        }
    }
    EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(SocketListener, RefusesAPathThatARunningServerHas) {
    const auto first = Listener::bind(path_);
    ASSERT_TRUE(first);
    const auto second = Listener::bind(path_);
    ASSERT_FALSE(second);
    EXPECT_NE(second.error().find("running"), std::string::npos) << second.error();
    EXPECT_TRUE(std::filesystem::exists(path_));
}

TEST_F(SocketListener, ReplacesASocketWithoutAServer) {
    {
        const int dead = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const UniqueFd closing(dead);
        auto first = Listener::bind(path_);
        ASSERT_TRUE(first);
        std::filesystem::rename(path_, path_ + ".dead");  // so that the listener does not remove it
    }
    std::filesystem::rename(path_ + ".dead", path_);
    const auto again = Listener::bind(path_);
    ASSERT_TRUE(again) << again.error();
    EXPECT_TRUE(driver::Connection::to(path_));
}

// Without a lock, one of some hundred rounds has several winners.
TEST_F(SocketListener, OneOfSeveralServersGetsThePathOfADeadOne) {
    constexpr int servers = 6;
    for (int round = 0; round < 2000; ++round) {
        std::filesystem::remove(path_);
        {
            const UniqueFd dead(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
            sockaddr_un address{};
            address.sun_family = AF_UNIX;
            std::copy(path_.begin(), path_.end(), address.sun_path);
            ASSERT_EQ(::bind(dead.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
        }
        std::vector<std::optional<Listener>> winners(servers);
        std::barrier start(servers);
        std::vector<std::thread> threads;
        for (auto& winner : winners)
            threads.emplace_back([&] {
                start.arrive_and_wait();
                if (auto listener = Listener::bind(path_)) winner.emplace(std::move(*listener));
            });
        for (auto& thread : threads) thread.join();
        ASSERT_EQ(std::count_if(winners.begin(), winners.end(),
                                [](const auto& winner) { return winner.has_value(); }),
                  1)
            << "round " << round;
        ASSERT_TRUE(driver::Connection::to(path_));
    }
    EXPECT_TRUE(std::filesystem::is_empty(directory_)) << "a lock is left behind";
}

TEST_F(SocketListener, AccessIsRightBeforeAnyoneCanConnect) {
    constexpr int rounds = 100;
    const auto before = ::umask(0077);
    std::atomic<int> round = 0;
    std::atomic<int> seen = 0;
    std::atomic<bool> failed = false;
    std::thread peer([&] {
        for (int turn = 1; turn <= rounds; ++turn) {
            while (!failed && (round != turn || !driver::Connection::to(path_)))
                std::this_thread::yield();
            if (failed) return;
            struct stat info {};
            EXPECT_EQ(::stat(path_.c_str(), &info), 0);
            EXPECT_EQ(info.st_mode & 07777, 0664u);
            seen = turn;
        }
    });
    for (int turn = 1; turn <= rounds; ++turn) {
        round = turn;
        const auto listener = Listener::bind(path_, {.mode = 0664, .group = ::getegid()});
        failed = !listener.has_value();
        if (failed) break;
        while (seen != turn) std::this_thread::yield();
    }
    peer.join();
    EXPECT_FALSE(failed);
    ::umask(before);
}

TEST_F(SocketListener, LeavesAFileAloneThatIsNoLock) {
    std::ofstream(path_ + ".lock") << "precious";
    const auto listener = Listener::bind(path_);
    ASSERT_FALSE(listener);
    EXPECT_NE(listener.error().find("is not an empty file"), std::string::npos) << listener.error();
    EXPECT_EQ(std::filesystem::file_size(path_ + ".lock"), 8U);
}

TEST_F(SocketListener, DoesNotTouchOtherFiles) {
    std::ofstream(path_) << "precious";
    const auto listener = Listener::bind(path_);
    ASSERT_FALSE(listener);
    EXPECT_NE(listener.error().find("is not a socket"), std::string::npos) << listener.error();
    std::string text;
    std::ifstream(path_) >> text;
    EXPECT_EQ(text, "precious");
}

TEST_F(SocketListener, DoesNotRemoveASuccessorsSocket) {
    {
        auto first = Listener::bind(path_);
        ASSERT_TRUE(first);
        std::filesystem::remove(path_);
        std::ofstream(path_) << "not mine";
    }
    EXPECT_TRUE(std::filesystem::exists(path_));
}

TEST_F(SocketListener, RefusesAPathThatIsTooLongOrMissing) {
    const auto too_long = Listener::bind(directory_ + "/" + std::string(200, 'x'));
    ASSERT_FALSE(too_long);
    EXPECT_NE(too_long.error().find("107"), std::string::npos) << too_long.error();
    EXPECT_FALSE(Listener::bind(directory_ + "/nowhere/socket"));
    EXPECT_FALSE(Listener::bind(""));
}

TEST_F(SocketListener, AcceptEndsWhenStopped) {
    auto listener = Listener::bind(path_);
    ASSERT_TRUE(listener);
    const UniqueFd stop(::eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK));
    const auto accepted = listener->accept(stop.get());
    ASSERT_TRUE(accepted);
    EXPECT_FALSE(*accepted);
}

TEST_F(SocketListener, AdoptsAListeningSocket) {
    const auto original = Listener::bind(path_);
    ASSERT_TRUE(original);
    // A listening socket as a parent process would pass it on.
    std::string second = directory_ + "/second";
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::copy(second.begin(), second.end(), address.sun_path);
    ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(::listen(fd, 1), 0);
    auto listener = Listener::adopt(fd);
    ASSERT_TRUE(listener) << listener.error();
    EXPECT_FALSE(listener->single());
    const auto front_end = driver::Connection::to(second);
    ASSERT_TRUE(front_end);
    const auto accepted = listener->accept(std::nullopt);
    ASSERT_TRUE(accepted && *accepted);
}

TEST_F(SocketListener, AnAdoptedConnectionIsAcceptedOnce) {
    int pair[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    const UniqueFd other(pair[0]);
    auto listener = Listener::adopt(pair[1]);
    ASSERT_TRUE(listener) << listener.error();
    EXPECT_TRUE(listener->single());
    const auto first = listener->accept(std::nullopt);
    ASSERT_TRUE(first);
    EXPECT_TRUE(*first);
    const auto second = listener->accept(std::nullopt);
    ASSERT_TRUE(second);
    EXPECT_FALSE(*second);
}

TEST_F(SocketListener, AdoptsNoOtherDescriptor) {
    EXPECT_FALSE(Listener::adopt(-1));
    EXPECT_FALSE(Listener::adopt(9999));
    const UniqueFd file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    EXPECT_FALSE(Listener::adopt(file.get()));
    const UniqueFd loose(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_FALSE(Listener::adopt(loose.get()));
    const UniqueFd network(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_FALSE(Listener::adopt(network.get()));
    EXPECT_GE(::fcntl(loose.get(), F_GETFD), 0) << "a refused descriptor is not closed";
}

/// Listener::accept on a thread of its own, which starts before the descriptors run out: to start a
/// thread or to make a std::future, the sanitizers need descriptors.
class Accepting {
  public:
    using Result = tl::expected<std::optional<UniqueFd>, std::string>;

    Accepting(Listener& listener, std::optional<int> stop)
        : thread_([this, &listener, stop] {
              running_ = true;
              running_.notify_one();
              begin_.wait(false);
              result_ = listener.accept(stop);
              ended_ = true;
              end_.wait(false);
          }) {
        running_.wait(false);
    }
    Accepting(const Accepting&) = delete;
    Accepting& operator=(const Accepting&) = delete;
    ~Accepting() {
        begin();
        if (thread_.joinable()) join();
    }

    void begin() {
        begin_ = true;
        begin_.notify_one();
    }
    [[nodiscard]] bool ends_within(std::chrono::milliseconds limit) const {
        const auto end = std::chrono::steady_clock::now() + limit;
        while (!ended_ && std::chrono::steady_clock::now() < end)
            std::this_thread::sleep_for(std::chrono::milliseconds{5});
        return ended_;
    }
    /// Joins the thread.
    Result get() {
        join();
        return std::move(result_);
    }

  private:
    void join() {
        end_ = true;
        end_.notify_one();
        thread_.join();
    }

    std::atomic<bool> running_ = false;
    std::atomic<bool> begin_ = false;
    std::atomic<bool> ended_ = false;
    std::atomic<bool> end_ = false;
    Result result_;
    std::thread thread_;  // last: it uses the others
};

TEST_F(SocketListener, AcceptSucceedsOnceDescriptorsAreAvailableAgain) {
    auto listener = Listener::bind(path_);
    ASSERT_TRUE(listener) << listener.error();
    const auto front_end = driver::Connection::to(path_);
    ASSERT_TRUE(front_end) << front_end.error();
    std::vector<std::string> lines;
    listener->set_log([&](std::string_view line) { lines.emplace_back(line); });
    Accepting accepting(*listener, std::nullopt);
    std::optional<FewDescriptors> shortage(std::in_place, FewDescriptors::Left::none);
    accepting.begin();
    // Time for several attempts, which all fail.
    EXPECT_FALSE(accepting.ends_within(std::chrono::milliseconds{500}))
        << "accept returned during the shortage";
    shortage.reset();
    const auto accepted = accepting.get();
    ASSERT_TRUE(accepted) << accepted.error();
    EXPECT_TRUE(*accepted);
    ASSERT_EQ(lines.size(), 1U) << "one line for all attempts";
    EXPECT_NE(lines[0].find("Too many open files"), std::string::npos) << lines[0];
}

TEST_F(SocketListener, AcceptEndsWhenStoppedDuringAShortageOfDescriptors) {
    auto listener = Listener::bind(path_);
    ASSERT_TRUE(listener) << listener.error();
    const auto front_end = driver::Connection::to(path_);
    ASSERT_TRUE(front_end) << front_end.error();
    const auto stop = make_event_fd();
    Accepting accepting(*listener, stop.get());
    std::optional<FewDescriptors> shortage(std::in_place, FewDescriptors::Left::none);
    accepting.begin();
    EXPECT_FALSE(accepting.ends_within(std::chrono::milliseconds{200}));
    const std::uint64_t one = 1;
    ASSERT_EQ(::write(stop.get(), &one, sizeof one), static_cast<ssize_t>(sizeof one));
    EXPECT_TRUE(accepting.ends_within(std::chrono::seconds{20}))
        << "accept did not return during the shortage";
    shortage.reset();
    const auto accepted = accepting.get();
    ASSERT_TRUE(accepted) << accepted.error();
    EXPECT_FALSE(*accepted);
}

}  // namespace
}  // namespace zonebridge::virtio
