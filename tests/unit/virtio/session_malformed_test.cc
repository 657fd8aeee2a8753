// Front ends that break the protocol: the session ends with a line that says why; the process and
// the device go on.
#include <algorithm>
#include <dirent.h>
#include <fcntl.h>
#include <functional>
#include <random>
#include <sys/epoll.h>

#include <gtest/gtest.h>

#include "tests/unit/virtio/served_echo.h"

namespace zonebridge::virtio {
namespace {

namespace bit = driver::bit;
namespace message = driver::message;
using driver::Bytes;
using driver::pack;

std::size_t open_fds() {
    DIR* const directory = ::opendir("/proc/self/fd");
    std::size_t count = 0;
    while (::readdir(directory) != nullptr) ++count;
    ::closedir(directory);
    return count;
}

Bytes raw(std::uint32_t request, std::uint32_t flags, std::uint32_t size, const Bytes& payload) {
    Bytes bytes = pack(request, flags, size);
    bytes.insert(bytes.end(), payload.begin(), payload.end());
    return bytes;
}

Bytes region(std::uint64_t guest, std::uint64_t size, std::uint64_t user, std::uint64_t offset) {
    return pack(std::uint64_t{0}, guest, size, user, offset);
}

struct MessageCase {
    const char* name;
    const char* says;  ///< Part of the log line.
    Bytes bytes;
    int fds = 0;  ///< How many copies of a memfd are sent with the message.
};

std::vector<MessageCase> malformed_messages() {
    const Bytes zero = pack(std::uint64_t{0});
    const auto state = [](std::uint32_t index, std::uint32_t number) {
        return pack(index, number);
    };
    return {
        {"NoVersion", "version", raw(1, 0, 0, {}), 0},
        {"OtherVersion", "version", raw(1, 2, 0, {}), 0},
        {"HugePayload", "payload", raw(5, 1, 0xffffffff, {}), 0},
        {"UnknownRequest", "4711", raw(4711, 1, 0, {}), 0},
        {"RequestZero", "message 0", raw(0, 1, 0, {}), 0},
        {"PostcopyWithoutBeingOffered", "message 28", raw(28, 1, 0, {}), 0},
        {"AReplyToNothing", "reply", raw(1, 1 | 4, 0, {}), 0},
        {"FdsWithARequestThatHasNone", "file descriptors", raw(3, 1, 0, {}), 1},
        {"TwoFdsForOne", "file descriptors", raw(12, 1, 8, zero), 2},
        {"MoreFdsThanAnyMessage", "file descriptors", raw(5, 1, 0, {}), 9},
        {"ManyMoreFds", "file descriptors", raw(5, 1, 0, {}), 60},
        {"ShortFeatures", "SET_FEATURES", raw(2, 1, 4, pack(std::uint32_t{0})), 0},
        {"ShortProtocolFeatures", "SET_PROTOCOL_FEATURES", raw(16, 1, 0, {}), 0},
        {"TableWithoutFds", "file descriptors",
         raw(5, 1, 40, pack(1u, 0u, 0ull, 4096ull, 0ull, 0ull)), 0},
        {"TableWithTooManyFds", "file descriptors",
         raw(5, 1, 40, pack(1u, 0u, 0ull, 4096ull, 0ull, 0ull)), 2},
        {"TableOfNineRegions", "its payload is inconsistent", raw(5, 1, 8, pack(9u, 0u)), 0},
        {"RegionPastItsFile", "past the end",
         raw(5, 1, 40, pack(1u, 0u, 0ull, 1ull << 40, 0ull, 0ull)), 1},
        {"RegionWithoutFd", "without a file descriptor", raw(37, 1, 40, region(0, 4096, 0, 0)), 0},
        {"RegionThatOverflows", "overflow", raw(37, 1, 40, region(~0ull, 4096, 0, 0)), 1},
        {"RegionOfNothing", "empty", raw(37, 1, 40, region(0, 0, 0, 0)), 1},
        {"RemovingAnUnknownRegion", "there is no such region to remove",
         raw(38, 1, 40, region(0, 4096, 0, 0)), 0},
        {"LogWithoutFeature", "LOG_SHMFD", raw(6, 1, 8, zero), 0},
        {"LogWithoutFd", "LOG_SHMFD", raw(6, 1, 16, pack(4096ull, 0ull)), 0},
        {"QueueOutOfRange", "queue 4", raw(8, 1, 8, state(4, 16)), 0},
        {"QueueFarOutOfRange", "queue 4294967295", raw(10, 1, 8, state(~0u, 0)), 0},
        {"BaseOfAQueueOutOfRange", "queue 4", raw(11, 1, 8, state(4, 0)), 0},
        {"EnableOutOfRange", "queue 200", raw(18, 1, 8, state(200, 1)), 0},
        {"EnableMore", "neither 0 nor 1", raw(18, 1, 8, state(0, 2)), 0},
        {"RingOfNothing", "power of two", raw(8, 1, 8, state(0, 0)), 0},
        {"RingOfSeventeen", "power of two", raw(8, 1, 8, state(0, 17)), 0},
        {"RingTooLarge", "power of two", raw(8, 1, 8, state(0, 512)), 0},
        {"BaseTooLarge", "index", raw(10, 1, 8, state(0, 65'536)), 0},
        {"AddressOfAQueueOutOfRange", "queue 7",
         raw(9, 1, 40, pack(7u, 0u, 0ull, 0ull, 0ull, 0ull)), 0},
        {"ShortAddress", "40 bytes", raw(9, 1, 8, zero), 0},
        {"KickOutOfRange", "queue 9", raw(12, 1, 8, pack(9ull)), 1},
        {"KickWithoutFd", "0 file descriptors", raw(12, 1, 8, zero), 0},
        {"KickWithFdAndWithout", "1 file descriptors", raw(12, 1, 8, pack(0x100ull)), 1},
        {"KickWithOtherBits", "0x200", raw(12, 1, 8, pack(0x200ull)), 0},
        {"KickOfAFile", "not an eventfd", raw(12, 1, 8, zero), 1},
        {"CallOfAFile", "not an eventfd", raw(13, 1, 8, zero), 1},
        {"ErrorOfAFile", "not an eventfd", raw(14, 1, 8, zero), 1},
        {"ShortKick", "8 bytes", raw(12, 1, 0, {}), 1},
        {"BackendChannelOfAFile", "socket", raw(21, 1, 0, {}), 1},
        {"BackendChannelWithoutFd", "without a file descriptor", raw(21, 1, 0, {}), 0},
        {"ConfigWithoutHeader", "GET_CONFIG", raw(24, 1, 4, pack(0u)), 0},
        {"ConfigThatDoesNotAddUp", "its payload is inconsistent",
         raw(25, 1, 16, pack(0u, 8u, 0u, 0u)), 0},
        {"InflightOfNoQueues", "0 queues", raw(31, 1, 20, pack(0ull, 0ull, 0u)), 0},
        {"InflightOfTooManyQueues", "5 queues",
         raw(31, 1, 20, pack(0ull, 0ull, std::uint16_t{5}, std::uint16_t{8})), 0},
        {"InflightOfHugeQueues", "65535 descriptors",
         raw(31, 1, 20, pack(0ull, 0ull, std::uint16_t{1}, std::uint16_t{65'535})), 0},
        {"InflightTooSmall", "too few",
         raw(32, 1, 20, pack(64ull, 0ull, std::uint16_t{4}, std::uint16_t{256})), 1},
        {"InflightPastItsFile", "past the end",
         raw(32, 1, 20, pack(1ull << 40, 0ull, std::uint16_t{1}, std::uint16_t{8})), 1},
        {"InflightWithoutFd", "without a file descriptor",
         raw(32, 1, 20, pack(4096ull, 0ull, std::uint16_t{1}, std::uint16_t{8})), 0},
        {"StatusTooLarge", "status", raw(39, 1, 8, pack(256ull)), 0},
    };
}

class MalformedMessage : public ServedEcho, public testing::WithParamInterface<MessageCase> {};

INSTANTIATE_TEST_SUITE_P(All, MalformedMessage, testing::ValuesIn(malformed_messages()),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_P(MalformedMessage, EndsTheSessionWithAReasonAndLeaksNoDescriptor) {
    const auto before = open_fds();
    connect();
    const std::vector<int> fds(static_cast<std::size_t>(GetParam().fds), memory.regions()[0].fd);
    ASSERT_TRUE(front_end->connection().send_raw(GetParam().bytes, fds));
    const auto end = wait_end();
    EXPECT_EQ(end.reason, SessionEnd::Reason::failed);
    EXPECT_NE(end.message.find(GetParam().says), std::string::npos) << end.message;
    EXPECT_EQ(end.message.find('\n'), std::string::npos);
    EXPECT_TRUE(front_end->connection().closed());
    front_end.reset();
    EXPECT_EQ(open_fds(), before);
}

using MalformedSession = ServedEcho;

TEST_F(MalformedSession, AFailureIsAcknowledgedBeforeTheEnd) {
    set_up();
    EXPECT_FALSE(front_end->tell(message::set_vring_num, pack(0u, 17u)));
    EXPECT_NE(wait_end().message.find("SET_VRING_NUM"), std::string::npos);
}

TEST_F(MalformedSession, RingsOutsideMemoryAreRefused) {
    set_up();
    auto& queue = front_end->make_queue(0, memory, {.size = 16});
    const int fds[] = {queue.kick_fd};
    ASSERT_TRUE(front_end->tell(message::set_vring_num, pack(0u, 16u)));
    ASSERT_TRUE(front_end->tell(message::set_vring_addr,
                                pack(0u, 0u, 0x1000ull, 0x2000ull, 0x3000ull, 0ull)));
    EXPECT_FALSE(front_end->tell(message::set_vring_kick, pack(0ull), fds));
    EXPECT_NE(wait_end().message.find("descriptor table"), std::string::npos);
    EXPECT_FALSE(backend.called("start 0"));
}

TEST_F(MalformedSession, UnalignedRingsAreRefused) {
    set_up();
    auto& queue = front_end->make_queue(0, memory, {.size = 16});
    const int fds[] = {queue.kick_fd};
    ASSERT_TRUE(front_end->tell(message::set_vring_num, pack(0u, 16u)));
    ASSERT_TRUE(
        front_end->tell(message::set_vring_addr,
                        pack(0u, 0u, queue.ring.descriptors_address(),
                             queue.ring.used_address() + 1, queue.ring.available_address(), 0ull)));
    EXPECT_FALSE(front_end->tell(message::set_vring_kick, pack(0ull), fds));
    EXPECT_NE(wait_end().message.find("aligned"), std::string::npos);
}

TEST_F(MalformedSession, ARunningRingCannotBeResized) {
    set_up();
    (void)start(0);
    EXPECT_FALSE(front_end->tell(message::set_vring_num, pack(0u, 32u)));
    EXPECT_NE(wait_end().message.find("running"), std::string::npos);
    EXPECT_TRUE(backend.called("stop 0"));
}

TEST_F(MalformedSession, AnInflightRecordTooSmallForTheRingIsRefused) {
    set_up();
    const auto reply = front_end->connection().ask(
        message::get_inflight_fd, pack(0ull, 0ull, std::uint16_t{1}, std::uint16_t{8}));
    ASSERT_TRUE(reply);
    ASSERT_TRUE(front_end->tell(message::set_inflight_fd, reply->payload, reply->fds));
    ::close(reply->fds[0]);
    auto& queue = front_end->make_queue(0, memory, {.size = 16});
    EXPECT_FALSE(front_end->start(queue));
    EXPECT_NE(wait_end().message.find("in flight"), std::string::npos);
}

TEST_F(MalformedSession, AMessageMayArriveInPieces) {
    connect();
    const Bytes bytes = raw(2, 1, 8, pack(bit::version_1));
    for (const std::byte& one : bytes) {
        ASSERT_TRUE(front_end->connection().send_raw(std::span(&one, 1)));
        std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }
    EXPECT_TRUE(front_end->ask(message::get_features));
    EXPECT_TRUE(backend.called("features 0x100000000"));
    EXPECT_EQ(finish().reason, SessionEnd::Reason::disconnected);
}

TEST_F(MalformedSession, ManyMessagesMayArriveAtOnce) {
    connect();
    Bytes bytes;
    for (int i = 0; i < 50; ++i) {
        const Bytes one = raw(1, 1, 0, {});
        bytes.insert(bytes.end(), one.begin(), one.end());
    }
    ASSERT_TRUE(front_end->connection().send_raw(bytes));
    for (int i = 0; i < 50; ++i) EXPECT_TRUE(front_end->connection().receive()) << i;
}

TEST_F(MalformedSession, AFrontEndThatStopsInMidMessageEndsTheSession) {
    connect({.patience = std::chrono::milliseconds{50}});
    ASSERT_TRUE(front_end->connection().send_raw(pack(std::uint32_t{2})));
    const auto end = wait_end();
    EXPECT_EQ(end.reason, SessionEnd::Reason::failed);
    EXPECT_NE(end.message.find("did not finish"), std::string::npos) << end.message;
}

TEST_F(MalformedSession, AMessageThatArrivesTooSlowlyEndsTheSession) {
    connect({.patience = std::chrono::milliseconds{100}});
    const Bytes header = raw(25, 1, 268, {});
    ASSERT_TRUE(front_end->connection().send_raw(header));
    const std::byte one{0};
    // The limit counts from the message's first byte, not from its latest.
    for (int i = 0; i < 268; ++i) {
        if (!front_end->connection().send_raw(std::span(&one, 1))) break;
        std::this_thread::sleep_for(std::chrono::milliseconds{10});
    }
    EXPECT_EQ(wait_end().reason, SessionEnd::Reason::failed);
}

TEST_F(MalformedSession, AFrontEndThatLeavesInMidMessageIsReported) {
    connect();
    ASSERT_TRUE(front_end->connection().send_raw(pack(std::uint32_t{2})));
    const auto end = finish();
    EXPECT_EQ(end.reason, SessionEnd::Reason::failed);
    EXPECT_NE(end.message.find("middle of a message"), std::string::npos) << end.message;
}

TEST_F(MalformedSession, AFrontEndThatReadsNoRepliesEndsTheSession) {
    connect({.patience = std::chrono::milliseconds{50}});
    const Bytes ask = raw(1, 1, 0, {});
    while (front_end->connection().send_raw(ask)) {
    }
    const auto end = wait_end();
    EXPECT_EQ(end.reason, SessionEnd::Reason::failed);
    EXPECT_NE(end.message.find("replies"), std::string::npos) << end.message;
}

TEST_F(MalformedSession, DescriptorsOfEveryMessageAreClosed) {
    const auto before = open_fds();
    memory.reset();
    set_up();
    for (int i = 0; i < 3; ++i) {
        (void)start(0);
        ASSERT_TRUE(front_end->stop(0));
        ASSERT_TRUE(front_end->share(memory));
    }
    // Incorrect front ends send a descriptor with REM_MEM_REG; vhost-user requires to close it.
    Bytes gone = pack(std::uint64_t{0}, memory.regions()[1].guest_address, memory.regions()[1].size,
                      memory.user_address(memory.regions()[1].host), std::uint64_t{0});
    const int fds[] = {memory.regions()[1].fd};
    ASSERT_TRUE(front_end->tell(message::rem_mem_reg, gone, fds));
    (void)finish();
    EXPECT_EQ(open_fds(), before);
}

/// Mostly valid messages in random order, some of them with random values.
TEST_F(MalformedSession, RandomMessagesNeverHarmTheProcess) {
    std::mt19937 random(20'26);
    const auto below = [&](std::uint32_t limit) { return random() % limit; };
    const int event = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int ends = 0;
    for (int round = 0; round < 150; ++round) {
        memory.reset();
        connect({.patience = std::chrono::milliseconds{2'000}});
        auto& connection = front_end->connection();
        (void)front_end->negotiate({.features = below(2) != 0 ? ~0ull & ~bit::log_all : random()});
        if (below(8) != 0) (void)front_end->share(memory);
        std::vector<driver::Queue*> queues;
        for (std::uint16_t i = 0; i < 2; ++i)
            queues.push_back(&front_end->make_queue(i, memory, {.size = 16, .event_index = true}));
        const auto block = memory.allocate(64);
        for (int step = 0; step < 60; ++step) {
            auto& queue = *queues[below(2)];
            const std::uint32_t index = below(40) == 0 ? random() : queue.index;
            const int fds[] = {below(10) == 0 ? memory.regions()[0].fd : event};
            const std::span<const int> one(fds, below(12) == 0 ? 0 : 1);
            tl::expected<void, std::string> sent;
            switch (below(18)) {
                case 0:
                    sent = front_end->start(queue);
                    break;
                case 1:
                    sent = connection.send(message::set_vring_num, pack(index, 1u << below(10)));
                    break;
                case 2:
                    sent = connection.send(message::set_vring_base, pack(index, below(3)));
                    break;
                case 3:
                    sent = connection.send(message::set_vring_kick,
                                           pack(std::uint64_t{index & 0xff}), one);
                    break;
                case 4:
                    sent = connection.send(message::set_vring_call,
                                           pack(std::uint64_t{index & 0xff}), one);
                    break;
                case 5:
                    sent = connection.send(message::set_vring_enable, pack(index, below(2)));
                    break;
                case 6:
                    if (!front_end->stop(queue.index)) sent = tl::unexpected(std::string());
                    break;
                case 7:
                    sent = front_end->share(memory);
                    break;
                case 8:
                    sent = front_end->remove_region(memory.regions()[below(2)]);
                    break;
                case 9:
                    sent = front_end->add_region(memory.regions()[below(2)]);
                    break;
                case 10:
                    sent = front_end->tell(message::set_features,
                                           pack(front_end->features() ^ (1ull << below(40))));
                    break;
                case 11:
                    sent = front_end->tell(message::set_status, pack(std::uint64_t{below(16)}));
                    break;
                case 12:
                    sent = front_end->tell(message::reset_device);
                    break;
                case 13:
                    if (!front_end->config(random(), below(256)))
                        sent = tl::unexpected(std::string());
                    break;
                case 14: {
                    Bytes noise(below(40));
                    for (auto& byte : noise) byte = static_cast<std::byte>(random());
                    sent = connection.send(below(42), noise, one.first(below(20) == 0 ? 1 : 0));
                    break;
                }
                case 15:
                    queue.ring.write_descriptor(static_cast<std::uint16_t>(below(16)),
                                                below(4) == 0 ? random() : block.address, below(64),
                                                static_cast<std::uint16_t>(below(4)),
                                                static_cast<std::uint16_t>(below(17)));
                    queue.ring.make_available(static_cast<std::uint16_t>(below(17)));
                    queue.kick();
                    break;
                default: {
                    const driver::Buffer chain[] = {driver::to_device(block),
                                                    driver::from_device(block)};
                    (void)queue.ring.add(chain);
                    queue.submit();
                    (void)queue.ring.take_used();
                }
            }
            if (!sent) break;
        }
        const auto end = finish();
        if (end.reason == SessionEnd::Reason::failed) {
            ++ends;
            EXPECT_FALSE(end.message.empty());
        }
        EXPECT_EQ(backend.calls().back(), "reset session_end");
    }
    ::close(event);
    EXPECT_GT(ends, 10) << "too few sessions failed";
    // Afterwards the device still works for a correct front end.
    memory.reset();
    set_up();
    EXPECT_EQ(echo(start(0), "alive"), "alive");
}

}  // namespace
}  // namespace zonebridge::virtio
