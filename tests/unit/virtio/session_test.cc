#include "virtio/vhost_user/session.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "tests/unit/virtio/served_echo.h"

namespace zonebridge::virtio {
namespace {

namespace bit = driver::bit;
namespace message = driver::message;
using VhostUserSession = ServedEcho;

TEST_F(VhostUserSession, OffersItsFeatures) {
    set_up();
    EXPECT_EQ(front_end->offered(), backend.features() | bit::log_all | bit::protocol_features);
    EXPECT_EQ(front_end->protocol_features(),
              bit::p_mq | bit::p_log_shmfd | bit::p_reply_ack | bit::p_backend_req | bit::p_config |
                  bit::p_inflight | bit::p_reset_device | bit::p_mem_slots | bit::p_status);
    EXPECT_EQ(front_end->ask(message::get_queue_num), EchoBackend::queues);
    EXPECT_GE(front_end->ask(message::get_max_mem_slots).value_or(0), 300u);
    EXPECT_EQ(finish().reason, SessionEnd::Reason::disconnected);
    EXPECT_EQ(backend.calls().back(), "reset session_end");
}

TEST_F(VhostUserSession, HandlesEveryRequestThatHasAName) {
    for (std::uint32_t request = 0; request < 64; ++request) {
        connect();
        ASSERT_TRUE(front_end->connection().send(request, {}));
        const auto end = finish();
        const bool unknown = end.message.find("is not known") != std::string::npos;
        EXPECT_EQ(unknown, !parse_request(request)) << request << ": " << end.message;
    }
}

TEST_F(VhostUserSession, RunsQueuesWithEveryCombinationOfFeatures) {
    for (const std::uint64_t features :
         {bit::version_1, bit::version_1 | bit::event_index, bit::version_1 | bit::indirect,
          bit::version_1 | bit::event_index | bit::indirect}) {
        for (const std::uint64_t protocol : {std::uint64_t{0}, bit::protocol_features}) {
            memory.reset();
            set_up(features | protocol);
            auto& zero = start(0);
            auto& two = start(2);
            for (int i = 0; i < 100; ++i) {
                ASSERT_EQ(echo(zero, "hello"), "hello");
                ASSERT_EQ(echo(two, "another queue"), "another queue");
            }
            EXPECT_EQ(front_end->stop(0), 100);
            EXPECT_EQ(front_end->stop(2), 100);
            EXPECT_EQ(front_end->stop(1), 0) << "the queue never ran";
            const auto end = finish();
            EXPECT_EQ(end.reason, SessionEnd::Reason::disconnected) << end.message;
        }
    }
}

TEST_F(VhostUserSession, ServesOneFrontEndAfterAnother) {
    for (int i = 0; i < 5; ++i) {
        memory.reset();
        set_up();
        EXPECT_EQ(echo(start(1), "again"), "again");
        EXPECT_EQ(finish().reason, SessionEnd::Reason::disconnected);
        const auto calls = backend.calls();
        ASSERT_GE(calls.size(), 3u);
        EXPECT_EQ(calls[calls.size() - 3], "stop 1");
        EXPECT_EQ(calls[calls.size() - 2], "memory 0");
        EXPECT_EQ(calls[calls.size() - 1], "reset session_end");
    }
}

TEST_F(VhostUserSession, AFrontEndThatBreaksTheProtocolDoesNotAffectTheNext) {
    set_up();
    (void)start(0);
    ASSERT_TRUE(front_end->connection().send(4711, {}));
    EXPECT_EQ(wait_end().reason, SessionEnd::Reason::failed);
    memory.reset();
    set_up();
    EXPECT_EQ(echo(start(0), "fine"), "fine");
}

TEST_F(VhostUserSession, ADisabledQueueWaitsAndRemembersItsKick) {
    set_up();
    auto& queue = start(0);
    ASSERT_TRUE(front_end->enable(0, false));
    const auto block = memory.allocate(4);
    const auto buffer = driver::to_device(block);
    ASSERT_TRUE(queue.ring.add(std::span(&buffer, 1)));
    queue.submit();
    EXPECT_FALSE(queue.wait_used(std::chrono::milliseconds{50}));
    ASSERT_TRUE(front_end->enable(0, true));
    EXPECT_TRUE(queue.wait_used());
}

TEST_F(VhostUserSession, AQueueIsNotServedUntilItsFirstKick) {
    set_up();
    auto& queue = start(0);
    const auto block = memory.allocate(4);
    const auto buffer = driver::to_device(block);
    ASSERT_TRUE(queue.ring.add(std::span(&buffer, 1)));
    (void)queue.ring.publish();
    EXPECT_FALSE(queue.wait_used(std::chrono::milliseconds{50}));
    queue.kick();
    EXPECT_TRUE(queue.wait_used());
}

TEST_F(VhostUserSession, WithoutAKickDescriptorTheQueueIsPolled) {
    set_up();
    auto& queue = front_end->make_queue(0, memory, {.size = 8});
    ASSERT_TRUE(front_end->start(queue));
    ASSERT_TRUE(front_end->tell(message::set_vring_kick, driver::pack(std::uint64_t{0x100})));
    const auto block = memory.allocate(4);
    const auto buffer = driver::to_device(block);
    ASSERT_TRUE(queue.ring.add(std::span(&buffer, 1)));
    (void)queue.ring.publish();  // and no kick
    EXPECT_TRUE(queue.wait_used());
}

TEST_F(VhostUserSession, StoppingAQueueCompletesTheRequestsInFlight) {
    set_up();
    auto& queue = start(0);
    backend.hold(true);
    const auto block = memory.allocate(4);
    const auto buffer = driver::to_device(block);
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(queue.ring.add(std::span(&buffer, 1)));
    queue.submit();
    while (backend.held() < 3) std::this_thread::yield();
    EXPECT_FALSE(queue.ring.take_used());
    EXPECT_EQ(front_end->stop(0), 3);
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(queue.ring.take_used()) << i;
    // A stopped queue is not served.
    ASSERT_TRUE(queue.ring.add(std::span(&buffer, 1)));
    (void)queue.ring.publish();
    queue.kick();
    EXPECT_FALSE(queue.wait_used(std::chrono::milliseconds{50}));
    // The queue goes on at the same index, and the kick is still pending.
    backend.hold(false);
    ASSERT_TRUE(front_end->set_base(0, 3));
    ASSERT_TRUE(front_end->start(queue));
    EXPECT_TRUE(queue.wait_used());
}

TEST_F(VhostUserSession, ANewCallDescriptorIsUsedAtOnce) {
    set_up();
    auto& queue = start(0);
    EXPECT_EQ(echo(queue, "one"), "one");
    const int fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    const int fds[] = {fd};
    ASSERT_TRUE(front_end->tell(message::set_vring_call, driver::pack(std::uint64_t{0}), fds));
    ::close(std::exchange(queue.call_fd, fd));
    EXPECT_TRUE(queue.wait_call()) << "called once, in case a call to the old descriptor was lost";
    EXPECT_EQ(echo(queue, "two"), "two");
    ASSERT_TRUE(front_end->tell(message::set_vring_call, driver::pack(std::uint64_t{0x100})));
    const auto block = memory.allocate(4);
    const auto buffer = driver::to_device(block);
    ASSERT_TRUE(queue.ring.add(std::span(&buffer, 1)));
    queue.submit();
    while (!queue.ring.take_used()) std::this_thread::yield();  // without a call
    EXPECT_FALSE(queue.called());
}

TEST_F(VhostUserSession, MemoryIsAddedAndRemovedBySlots) {
    connect();
    ASSERT_TRUE(front_end->negotiate({.protocol_features = ~0ull}));
    ASSERT_TRUE(front_end->share_by_slots(memory));
    auto& queue = start(0);
    EXPECT_EQ(echo(queue, "slots"), "slots");
    // The other region is removed, and added again.
    ASSERT_TRUE(front_end->remove_region(memory.regions()[1]));
    EXPECT_EQ(echo(queue, "fewer"), "fewer");
    ASSERT_TRUE(front_end->add_region(memory.regions()[1]));
    const auto block = memory.allocate(8, 1, 1);
    const driver::Buffer buffers[] = {driver::from_device(block)};
    EXPECT_TRUE(queue.run(buffers));
}

TEST_F(VhostUserSession, ARingGoesOnWhenItsMemoryIsAddedAgain) {
    set_up();
    auto& queue = start(0);
    EXPECT_EQ(echo(queue, "before"), "before");
    ASSERT_TRUE(front_end->remove_region(memory.regions()[0]));
    EXPECT_TRUE(backend.called("stop 0"));
    // Meanwhile the guest submits requests.
    const auto block = memory.allocate(4);
    const auto buffer = driver::to_device(block);
    ASSERT_TRUE(queue.ring.add(std::span(&buffer, 1)));
    queue.submit();
    EXPECT_FALSE(queue.wait_used(std::chrono::milliseconds{50}));
    ASSERT_TRUE(front_end->add_region(memory.regions()[0]));
    EXPECT_TRUE(queue.wait_used());
    EXPECT_EQ(echo(queue, "after"), "after");
}

TEST_F(VhostUserSession, ANewMemoryTableMayBeSetWhileQueuesRun) {
    set_up();
    auto& queue = start(0);
    backend.hold(true);
    const auto block = memory.allocate(4);
    const auto buffer = driver::to_device(block);
    ASSERT_TRUE(queue.ring.add(std::span(&buffer, 1)));
    queue.submit();
    while (backend.held() < 1) std::this_thread::yield();
    ASSERT_TRUE(front_end->share(memory));
    EXPECT_TRUE(queue.ring.take_used()) << "no request is in flight across a change of memory";
    backend.hold(false);
    EXPECT_EQ(echo(queue, "moved"), "moved");
}

TEST_F(VhostUserSession, ARunningRingKeepsItsInflightRecordWhenAnotherIsSet) {
    set_up();
    auto& queue = start(0);  // 16 descriptors, no record
    const auto reply = front_end->connection().ask(
        message::get_inflight_fd,
        driver::pack(std::uint64_t{0}, std::uint64_t{0}, std::uint16_t{1}, std::uint16_t{8}));
    ASSERT_TRUE(reply) << reply.error();
    ASSERT_TRUE(front_end->tell(message::set_inflight_fd, reply->payload, reply->fds));
    ::close(reply->fds[0]);
    ASSERT_TRUE(front_end->share(memory));
    EXPECT_FALSE(backend.called("stop 0"));
    EXPECT_EQ(echo(queue, "on"), "on");
}

TEST_F(VhostUserSession, ConfigurationIsReadAndWrittenWithinItsBounds) {
    set_up();
    for (std::size_t i = 0; i < backend.config.size(); ++i)
        backend.config[i] = static_cast<std::byte>(i + 1);
    const auto all = front_end->config(0, 256);
    ASSERT_TRUE(all) << all.error();
    EXPECT_TRUE(std::equal(backend.config.begin(), backend.config.end(), all->begin()));
    EXPECT_EQ((*all)[36], std::byte{0});
    EXPECT_EQ(front_end->config(20, 4),
              (driver::Bytes{std::byte{21}, std::byte{22}, std::byte{23}, std::byte{24}}));
    EXPECT_EQ(front_end->config(34, 4),
              (driver::Bytes{std::byte{35}, std::byte{36}, std::byte{0}, std::byte{0}}));
    EXPECT_EQ(front_end->config(0xffffffff, 8), driver::Bytes(8));
    EXPECT_EQ(front_end->config(0, 0), driver::Bytes());
    // A request for too many bytes gets an empty reply, and the session goes on.
    const auto reply = front_end->connection().ask(
        message::get_config, driver::pack(std::uint32_t{0}, std::uint32_t{257}, std::uint32_t{0}));
    ASSERT_TRUE(reply) << reply.error();
    EXPECT_TRUE(reply->payload.empty());

    auto image = *all;
    image[20] = std::byte{99};
    EXPECT_TRUE(front_end->set_config(0, image));
    EXPECT_EQ(backend.config[20], std::byte{99});
    image[0] = std::byte{99};
    EXPECT_FALSE(front_end->set_config(0, image)) << "read-only";
    EXPECT_TRUE(front_end->set_config(0, image, 1)) << "a migration may write it";
    EXPECT_FALSE(front_end->set_config(250, std::span(image).first(7))) << "out of bounds";
    EXPECT_EQ(finish().reason, SessionEnd::Reason::disconnected);
}

TEST_F(VhostUserSession, AConfigurationChangeIsSentOnTheBackendChannel) {
    set_up();
    int pair[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    driver::Connection channel(pair[0]);
    backend.change_config();  // before there is a channel
    const int fds[] = {pair[1]};
    ASSERT_TRUE(front_end->tell(message::set_backend_req_fd, {}, fds));
    ::close(pair[1]);
    backend.change_config();
    const auto told = channel.receive();
    ASSERT_TRUE(told) << told.error();
    EXPECT_EQ(told->request, message::backend_config_change);
    EXPECT_EQ(told->flags, 1u) << "no reply is requested";
    EXPECT_TRUE(told->payload.empty());
    // A front end that never reads the channel does not block the session.
    for (int i = 0; i < 20'000; ++i) backend.change_config();
    EXPECT_TRUE(front_end->ask(message::get_features));
    channel.close();
    backend.change_config();
    EXPECT_TRUE(front_end->ask(message::get_features));
}

TEST_F(VhostUserSession, StatusIsStoredAndStatusZeroResets) {
    set_up();
    auto& queue = start(0);
    EXPECT_EQ(front_end->ask(message::get_status), 0u);
    ASSERT_TRUE(front_end->tell(message::set_status, driver::pack(std::uint64_t{0xf})));
    EXPECT_EQ(front_end->ask(message::get_status), 0xfu);
    EXPECT_EQ(echo(queue, "up"), "up");
    ASSERT_TRUE(front_end->tell(message::set_status, driver::pack(std::uint64_t{0})));
    EXPECT_TRUE(backend.called("stop 0"));
    EXPECT_TRUE(backend.called("reset status"));
    EXPECT_EQ(front_end->stop(0), 0);
    // The memory is still there: a front end that counts slots does not send it again.
    ASSERT_TRUE(front_end->tell(message::set_features, driver::pack(front_end->features())));
    EXPECT_EQ(echo(start(0), "again"), "again");
}

TEST_F(VhostUserSession, ResetDeviceStopsTheQueuesAndClearsTheirState) {
    set_up();
    (void)start(0);
    (void)start(1);
    ASSERT_TRUE(front_end->tell(message::reset_device));
    EXPECT_TRUE(backend.called("stop 0"));
    EXPECT_TRUE(backend.called("stop 1"));
    EXPECT_TRUE(backend.called("reset requested"));
    ASSERT_TRUE(front_end->tell(message::set_features, driver::pack(front_end->features())));
    EXPECT_EQ(echo(start(1), "again"), "again");
    ASSERT_TRUE(front_end->tell(message::reset_owner)) << "a no-op";
    EXPECT_EQ(front_end->stop(1), 1);
}

TEST_F(VhostUserSession, RefusedFeaturesClearFeaturesOkAndStopTheQueues) {
    connect();
    ASSERT_TRUE(front_end->negotiate({.protocol_features = ~0ull}));
    ASSERT_TRUE(front_end->share(memory));
    ASSERT_TRUE(front_end->tell(message::set_status, driver::pack(std::uint64_t{3})));
    const auto bad = front_end->features() | EchoBackend::refused_feature;
    EXPECT_FALSE(front_end->tell(message::set_features, driver::pack(bad)));
    ASSERT_TRUE(front_end->tell(message::set_status, driver::pack(std::uint64_t{0xb})));
    EXPECT_EQ(front_end->ask(message::get_status), 3u);
    ASSERT_TRUE(front_end->tell(message::set_features, driver::pack(front_end->features())));
    EXPECT_EQ(front_end->ask(message::get_status), 0xbu);
    EXPECT_EQ(echo(start(0), "fine"), "fine");
    EXPECT_FALSE(front_end->tell(message::set_features, driver::pack(bad)));
    EXPECT_TRUE(backend.called("stop 0"));
}

TEST_F(VhostUserSession, UnofferedFeaturesAreIgnoredUnlessTheyChangeTheRing) {
    connect();
    ASSERT_TRUE(front_end->negotiate());
    // QEMU's vhost-user-scsi does this with VIRTIO_SCSI_F_CHANGE.
    ASSERT_TRUE(
        front_end->tell(message::set_features, driver::pack(front_end->features() | 1ull << 2)));
    EXPECT_FALSE(front_end->tell(message::set_features,
                                 driver::pack(front_end->features() | feature::ring_packed)));
    const auto end = wait_end();
    EXPECT_EQ(end.reason, SessionEnd::Reason::failed);
    EXPECT_NE(end.message.find("SET_FEATURES"), std::string::npos) << end.message;
}

TEST_F(VhostUserSession, AQueueMayBeDescribedInAnyOrder) {
    connect();
    ASSERT_TRUE(front_end->negotiate(
        {.features = ~0ull & ~EchoBackend::refused_feature & ~feature::log_all}));
    auto& queue = front_end->make_queue(0, memory, {.size = 8, .event_index = true});
    const int kick[] = {queue.kick_fd};
    const int call[] = {queue.call_fd};
    ASSERT_TRUE(front_end->enable(0, true));
    ASSERT_TRUE(front_end->tell(message::set_vring_kick, driver::pack(std::uint64_t{0}), kick));
    ASSERT_TRUE(front_end->tell(message::set_vring_call, driver::pack(std::uint64_t{0}), call));
    ASSERT_TRUE(front_end->set_addresses(queue));
    EXPECT_FALSE(backend.called("start 0"));
    ASSERT_TRUE(
        front_end->tell(message::set_vring_num, driver::pack(std::uint32_t{0}, std::uint32_t{8})));
    EXPECT_FALSE(backend.called("start 0"));
    ASSERT_TRUE(front_end->share(memory));
    EXPECT_TRUE(backend.called("start 0"));
    EXPECT_EQ(echo(queue, "odd"), "odd");
}

}  // namespace
}  // namespace zonebridge::virtio
