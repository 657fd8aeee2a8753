// An echo device served over a socket pair: its session runs on a thread of its own, and the test
// has the front end. May serve one session after another.
#pragma once

#include <optional>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/driver/front_end.h"
#include "tests/unit/virtio/echo_backend.h"
#include "virtio/vhost_user/session.h"

namespace zonebridge::virtio {

class ServedEcho : public testing::Test {
  protected:
    static constexpr std::uint64_t memory_size = 0x200000;

    ServedEcho() : stop_(make_event_fd()) {
        EXPECT_TRUE(memory.add(0, memory_size));
        EXPECT_TRUE(memory.add(0x10000000, memory_size, 0x1000));
    }
    ~ServedEcho() override {
        if (session_) (void)finish();
    }

    /// A new connection, with a session at its other end.
    void connect(SessionOptions options = {}) {
        int pair[2];
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        front_end.emplace(driver::Connection(pair[0]));
        auto session = Session::over(UniqueFd(pair[1]), backend, options);
        ASSERT_TRUE(session) << session.error();
        session_ = std::move(*session);
        thread_ = std::thread([this] { end_ = session_->run(stop_.get()); });
    }
    /// Waits until the session ends by itself, or because the front end disconnects.
    SessionEnd wait_end() {
        thread_.join();
        session_.reset();
        return end_;
    }
    /// Disconnects, and waits until the session has ended.
    SessionEnd finish() {
        front_end.reset();
        return wait_end();
    }
    void stop() {
        const std::uint64_t one = 1;
        ASSERT_EQ(::write(stop_.get(), &one, sizeof one), 8);
    }
    /// Negotiates everything and shares the memory.
    void set_up(std::uint64_t features = ~0ull & ~EchoBackend::refused_feature & ~feature::log_all,
                std::uint64_t protocol = ~0ull, SessionOptions options = {}) {
        connect(options);
        const auto negotiated =
            front_end->negotiate({.features = features, .protocol_features = protocol});
        ASSERT_TRUE(negotiated) << negotiated.error();
        const auto shared = front_end->share(memory);
        ASSERT_TRUE(shared) << shared.error();
    }
    [[nodiscard]] driver::Queue& start(std::uint16_t index,
                                       driver::RingOptions options = {.size = 16,
                                                                      .event_index = true,
                                                                      .indirect_entries = 8}) {
        auto queue = front_end->start_queue(index, memory, options);
        if (!queue) throw std::runtime_error(queue.error());
        return **queue;
    }
    /// Sends a text to the device and returns the reply.
    [[nodiscard]] std::string echo(driver::Queue& queue, const std::string& text) {
        const auto out = memory.allocate(text.size(), 1);
        const auto in = memory.allocate(text.size(), 1);
        std::memcpy(out.host, text.data(), text.size());
        const driver::Buffer chain[] = {driver::to_device(out), driver::from_device(in)};
        const auto length = queue.run(chain);
        if (!length) return length.error();
        return std::string(reinterpret_cast<const char*>(in.host), *length);
    }

    EchoBackend backend;
    driver::SharedMemory memory;
    std::optional<driver::FrontEnd> front_end;

  private:
    UniqueFd stop_;
    std::unique_ptr<Session> session_;
    std::thread thread_;
    SessionEnd end_{SessionEnd::Reason::stopped, {}};
};

}  // namespace zonebridge::virtio
