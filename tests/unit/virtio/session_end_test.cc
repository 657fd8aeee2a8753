// The dirty log of a migration and the record of requests in flight, which outlive a session, and
// the ways in which a session ends: broken rings, truncated memory, a disk that hangs, a request to
// stop.
#include <algorithm>
#include <cstring>

#include <gtest/gtest.h>

#include "tests/unit/virtio/served_echo.h"

namespace zonebridge::virtio {
namespace {

namespace bit = driver::bit;
namespace message = driver::message;
using EndingSession = ServedEcho;

TEST_F(EndingSession, MigrationMarksThePagesTheDeviceWrote) {
    set_up();
    auto& queue = start(0);
    driver::SharedMemory log;
    ASSERT_TRUE(log.add(0, 0x10000));
    const auto marked = [&](std::uint64_t address) {
        const auto page = address / 4096;
        return (log.regions()[0].host[page / 8] & std::byte(1 << page % 8)) != std::byte{0};
    };
    const int fds[] = {log.regions()[0].fd};
    const auto reply = front_end->connection().ask(
        message::set_log_base, driver::pack(std::uint64_t{0x10000}, std::uint64_t{0}), fds);
    ASSERT_TRUE(reply) << reply.error();
    EXPECT_EQ(echo(queue, "quiet"), "quiet");
    EXPECT_EQ(std::count(log.regions()[0].host, log.regions()[0].host + 0x10000, std::byte{0}),
              0x10000)
        << "logging is off";

    ASSERT_TRUE(
        front_end->tell(message::set_features, driver::pack(front_end->features() | bit::log_all)));
    ASSERT_TRUE(front_end->set_addresses(queue, 0x7000'0000));
    EXPECT_FALSE(backend.called("stop 0")) << "the ring keeps running";
    const auto in = memory.allocate(8192, 4096);
    const driver::Buffer chain[] = {driver::to_device(memory.allocate(8192)),
                                    driver::from_device(in)};
    ASSERT_EQ(queue.run(chain), 8192u);
    EXPECT_TRUE(marked(in.address));
    EXPECT_TRUE(marked(in.address + 4096));
    EXPECT_FALSE(marked(in.address + 8192));
    EXPECT_TRUE(marked(0x7000'0000)) << "the used ring, under its own address";

    // Waits for the worker: to enable kicks, it writes the used ring once more after the
    // completion.
    (void)backend.held();
    std::memset(log.regions()[0].host, 0, 0x10000);
    ASSERT_TRUE(front_end->tell(message::set_features, driver::pack(front_end->features())));
    EXPECT_EQ(echo(queue, "quiet"), "quiet");
    EXPECT_EQ(std::count(log.regions()[0].host, log.regions()[0].host + 0x10000, std::byte{0}),
              0x10000);
}

TEST_F(EndingSession, ALogTooShortForTheMemoryIsRefused) {
    set_up();
    driver::SharedMemory log;
    ASSERT_TRUE(log.add(0, 0x1000));
    const int fds[] = {log.regions()[0].fd};
    ASSERT_TRUE(front_end->connection().ask(
        message::set_log_base, driver::pack(std::uint64_t{0x1000}, std::uint64_t{0}), fds));
    EXPECT_FALSE(
        front_end->tell(message::set_features, driver::pack(front_end->features() | bit::log_all)));
    EXPECT_NE(wait_end().message.find("does not cover"), std::string::npos);
}

TEST_F(EndingSession, RequestsInFlightSurviveTheServer) {
    set_up();
    // Front ends use two sizes of the struct; each gets a reply of its own size.
    driver::Reply record;
    for (const std::size_t size : {20, 24}) {
        driver::Bytes ask =
            driver::pack(std::uint64_t{0}, std::uint64_t{0}, std::uint16_t{2}, std::uint16_t{16});
        ask.resize(size);
        auto reply = front_end->connection().ask(message::get_inflight_fd, ask);
        ASSERT_TRUE(reply) << reply.error();
        ASSERT_EQ(reply->payload.size(), size);
        ASSERT_EQ(reply->fds.size(), 1u);
        if (!record.fds.empty()) ::close(record.fds[0]);
        record = *reply;
    }
    ASSERT_TRUE(front_end->tell(message::set_inflight_fd, record.payload, record.fds));
    auto& queue = start(0);
    backend.hold(true);
    for (const char* text : {"first", "second"}) {
        const auto block = memory.allocate(std::strlen(text), 1);
        std::memcpy(block.host, text, std::strlen(text));
        const auto buffer = driver::to_device(block);
        ASSERT_TRUE(queue.ring.add(std::span(&buffer, 1)));
    }
    queue.submit();
    while (backend.held() < 2) std::this_thread::yield();
    // The server dies here: only the bytes that it has written remain.
    std::vector<std::byte> snapshot(4096);
    const auto got = ::pread(record.fds[0], snapshot.data(), snapshot.size(), 0);
    ASSERT_GT(got, 0);
    const auto used_before = queue.ring.used_index();
    (void)front_end->connection().fd();
    front_end->connection().close();
    (void)wait_end();  // in this process, that completes the requests: undo it
    ASSERT_EQ(::pwrite(record.fds[0], snapshot.data(), static_cast<std::size_t>(got), 0), got);
    std::memcpy(queue.ring.used().host + 2, &used_before, 2);

    backend.hold(false);
    driver::Queue* const old = &queue;
    auto first = std::move(front_end);  // keeps the ring
    connect();
    ASSERT_TRUE(
        front_end->negotiate({.features = ~0ull & ~EchoBackend::refused_feature & ~feature::log_all,
                              .protocol_features = ~0ull}));
    ASSERT_TRUE(front_end->share(memory));
    ASSERT_TRUE(front_end->tell(message::set_inflight_fd, record.payload, record.fds));
    ASSERT_TRUE(front_end->set_base(0, used_before));
    ASSERT_TRUE(front_end->start(*old));
    EXPECT_EQ(backend.recovered(), (std::vector<std::string>{"first", "second"}));
    EXPECT_TRUE(old->wait_used());
    EXPECT_TRUE(old->wait_used());
    EXPECT_EQ(echo(*old, "third"), "third");
    ::close(record.fds[0]);
    (void)finish();
}

TEST_F(EndingSession, ABrokenRingEndsTheSessionAndSignalsItsError) {
    set_up();
    auto& queue = start(0);
    EXPECT_EQ(echo(queue, "fine"), "fine");
    queue.ring.make_available(4711);
    queue.kick();
    const auto end = wait_end();
    EXPECT_EQ(end.reason, SessionEnd::Reason::failed);
    EXPECT_NE(end.message.find("queue 0"), std::string::npos) << end.message;
    EXPECT_NE(end.message.find("4711"), std::string::npos) << end.message;
    EXPECT_TRUE(queue.wait_error());
}

TEST_F(EndingSession, TruncatedMemoryEndsTheSessionOnly) {
    set_up();
    auto& queue = start(0);
    EXPECT_EQ(echo(queue, "fine"), "fine");
    // The ring's memory stays; the memory of the next chain's buffer is cut off.
    const auto& region = memory.regions()[1];
    ASSERT_EQ(::ftruncate(region.fd, 0), 0);
    const driver::Buffer chain[] = {{region.guest_address, 512, false},
                                    driver::from_device(memory.allocate(512))};
    ASSERT_TRUE(queue.ring.add(chain));
    queue.submit();
    (void)queue.wait_used();
    ASSERT_TRUE(queue.ring.add(chain));
    queue.submit();
    const auto end = wait_end();
    EXPECT_EQ(end.reason, SessionEnd::Reason::failed);
    EXPECT_NE(end.message.find("truncated"), std::string::npos) << end.message;
}

TEST_F(EndingSession, AStopEndsTheSessionAtOnce) {
    set_up();
    auto& queue = start(0);
    backend.hold(true);
    const auto block = memory.allocate(4);
    const auto buffer = driver::to_device(block);
    ASSERT_TRUE(queue.ring.add(std::span(&buffer, 1)));
    queue.submit();
    while (backend.held() < 1) std::this_thread::yield();
    stop();
    EXPECT_EQ(wait_end().reason, SessionEnd::Reason::stopped);
    EXPECT_TRUE(queue.ring.take_used()) << "requests in flight complete first";
    EXPECT_TRUE(front_end->connection().closed());
}

TEST_F(EndingSession, ADiskThatHangsEndsTheSession) {
    set_up(~0ull & ~EchoBackend::refused_feature & ~feature::log_all, ~0ull,
           {.drain = std::chrono::milliseconds{20}});
    auto& queue = start(0);
    backend.hold(true);
    backend.hang(true);
    const auto block = memory.allocate(4);
    const auto buffer = driver::to_device(block);
    ASSERT_TRUE(queue.ring.add(std::span(&buffer, 1)));
    queue.submit();
    while (backend.held() < 1) std::this_thread::yield();
    EXPECT_FALSE(front_end->connection().ask(message::get_vring_base,
                                             driver::pack(std::uint32_t{0}, std::uint32_t{0})))
        << "the disk still uses the request's memory, so the queue must not be reported as stopped";
    const auto end = wait_end();
    EXPECT_EQ(end.reason, SessionEnd::Reason::failed);
    EXPECT_NE(end.message.find("still at the disk"), std::string::npos) << end.message;
    EXPECT_TRUE(backend.called("reset session_end"));
}

TEST_F(EndingSession, AStopEndsTheSessionInTheMiddleOfAMessage) {
    connect();
    const auto half = driver::pack(std::uint32_t{1}, std::uint16_t{1});
    ASSERT_TRUE(front_end->connection().send_raw(half));
    stop();
    EXPECT_EQ(wait_end().reason, SessionEnd::Reason::stopped);
}

}  // namespace
}  // namespace zonebridge::virtio
