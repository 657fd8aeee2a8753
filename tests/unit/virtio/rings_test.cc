#include "virtio/vhost_user/rings.h"

#include <algorithm>
#include <memory>

#include <gtest/gtest.h>

#include "tests/driver/front_end.h"
#include "tests/unit/virtio/echo_backend.h"
#include "tests/unit/virtio/messages.h"

namespace zonebridge::virtio {
namespace {

class RingsTest : public testing::Test {
  protected:
    static constexpr std::uint64_t memory_size = 0x100000;
    static constexpr std::uint16_t size = 16;

    RingsTest() {
        EXPECT_TRUE(guest_.add(0, memory_size));
        queue_ = std::make_unique<driver::Queue>(0, guest_, driver::RingOptions{.size = size});
    }
    [[nodiscard]] static Deadline soon() {
        return std::chrono::steady_clock::now() + std::chrono::seconds{20};
    }
    [[nodiscard]] Message addresses(std::uint64_t moved_by = 0) const {
        return message_of(driver::pack(0u, 0u, queue_->ring.descriptors_address() + moved_by,
                                       queue_->ring.used_address(),
                                       queue_->ring.available_address(), 0ull));
    }
    [[nodiscard]] Message kick() const { return message_of(driver::pack(0ull), {queue_->kick_fd}); }
    void share_memory() {
        ASSERT_TRUE(memory_.move_to(*memory_.replaced_by(table_message(guest_)), soon()));
    }
    void accept_features() { ASSERT_TRUE(negotiation_.accept(feature::version_1)); }
    void describe() {
        ASSERT_TRUE(rings_.set_size(ring_number(0, size)));
        const auto placed = rings_.place(addresses(), soon());
        ASSERT_TRUE(placed) << placed.error();
        ASSERT_TRUE(rings_.start(*placed));
        auto message = kick();
        ASSERT_TRUE(rings_.set_kick(message, soon()));
    }
    void start() {
        accept_features();
        share_memory();
        describe();
        ASSERT_EQ(starts(), 1);
    }
    [[nodiscard]] std::ptrdiff_t starts() const {
        const auto calls = backend_.calls();
        return std::count(calls.begin(), calls.end(), "start 0");
    }

    EchoBackend backend_;
    driver::SharedMemory guest_;
    std::unique_ptr<driver::Queue> queue_;
    Negotiation negotiation_{backend_};
    FrontEndMemory memory_{backend_};
    Rings rings_{backend_, negotiation_, memory_};
};

TEST_F(RingsTest, ARingStartsOnceItIsDescribedCompletely) {
    describe();
    ASSERT_TRUE(rings_.start_ready());
    EXPECT_EQ(starts(), 0) << "no features, no memory";
    accept_features();
    ASSERT_TRUE(rings_.start_ready());
    EXPECT_EQ(starts(), 0) << "no memory";
    share_memory();
    ASSERT_TRUE(rings_.start_ready());
    EXPECT_EQ(starts(), 1);
    ASSERT_TRUE(rings_.start_ready());
    EXPECT_EQ(starts(), 1) << "it runs";
}

TEST_F(RingsTest, ARunningRingKeepsItsSizeAndBase) {
    start();
    for (const auto& changed :
         {rings_.set_size(ring_number(0, 8)), rings_.set_base(ring_number(0, 3))}) {
        ASSERT_FALSE(changed);
        EXPECT_EQ(changed.error(), "queue 0 is running");
    }
    const auto base = rings_.take_base(ring_number(0), soon());
    ASSERT_TRUE(base) << base.error();
    EXPECT_EQ(base->number, 0U);
    EXPECT_TRUE(backend_.called("stop 0"));
    EXPECT_TRUE(rings_.set_base(ring_number(0, 3)));
    EXPECT_EQ(rings_.take_base(ring_number(0), soon())->number, 3U);
}

TEST_F(RingsTest, ANewAddressOrKickDescriptorStartsTheRingAgain) {
    start();
    auto placed = rings_.place(addresses(), soon());
    ASSERT_TRUE(placed);
    EXPECT_FALSE(placed->again) << "it is where it was";
    EXPECT_FALSE(backend_.called("stop 0"));
    placed = rings_.place(addresses(0x1000), soon());
    ASSERT_TRUE(placed);
    EXPECT_TRUE(placed->again);
    EXPECT_TRUE(backend_.called("stop 0"));
    ASSERT_TRUE(rings_.start(*placed));
    EXPECT_EQ(starts(), 2);
    auto message = kick();
    ASSERT_TRUE(rings_.set_kick(message, soon()));
    EXPECT_EQ(starts(), 3);
}

TEST_F(RingsTest, ASuspendedRingWaitsForItsMemory) {
    start();
    ASSERT_TRUE(rings_.suspend_outside(memory_.guest(), soon()));
    EXPECT_FALSE(backend_.called("stop 0")) << "it lies there";
    driver::SharedMemory other;
    ASSERT_TRUE(other.add(0x40000000, memory_size));
    const auto table = memory_.replaced_by(table_message(other));
    ASSERT_TRUE(table) << table.error();
    ASSERT_TRUE(rings_.suspend_outside(**table, soon()));
    EXPECT_TRUE(backend_.called("stop 0"));
    ASSERT_TRUE(memory_.move_to(*table, soon()));
    ASSERT_TRUE(rings_.start_ready()) << "no fault: its memory may return";
    EXPECT_EQ(starts(), 1);
    share_memory();
    ASSERT_TRUE(rings_.start_ready());
    EXPECT_EQ(starts(), 2);
}

TEST_F(RingsTest, ARingOutsideOfTheMemoryIsRefused) {
    accept_features();
    share_memory();
    ASSERT_TRUE(rings_.set_size(ring_number(0, size)));
    ASSERT_TRUE(rings_.place(addresses(1ull << 40), soon()));
    auto message = kick();
    EXPECT_FALSE(rings_.set_kick(message, soon()));
    EXPECT_EQ(starts(), 0);
}

TEST_F(RingsTest, RefusedFeaturesStartNoRing) {
    EXPECT_FALSE(negotiation_.accept(feature::version_1 | EchoBackend::refused_feature));
    share_memory();
    ASSERT_TRUE(rings_.set_size(ring_number(0, size)));
    ASSERT_TRUE(rings_.place(addresses(), soon()));
    auto message = kick();
    const auto set = rings_.set_kick(message, soon());
    ASSERT_FALSE(set);
    EXPECT_NE(set.error().find("features that were refused: not this one"), std::string::npos)
        << set.error();
}

TEST_F(RingsTest, TheBackendIsToldOfEnablingWhileTheRingRuns) {
    ASSERT_TRUE(rings_.enable(ring_number(0, 1)));
    ASSERT_TRUE(rings_.enable(ring_number(0, 0)));
    EXPECT_TRUE(backend_.calls().empty());
    start();
    rings_.enable_all();
    EXPECT_EQ(backend_.calls().back(), "enable 0");
    ASSERT_TRUE(rings_.enable(ring_number(0, 0)));
    EXPECT_EQ(backend_.calls().back(), "disable 0");
    const auto before = backend_.calls().size();
    ASSERT_TRUE(rings_.enable(ring_number(0, 0)));
    EXPECT_EQ(backend_.calls().size(), before);
}

TEST_F(RingsTest, AfterAResetRingsMustBeDescribedAgain) {
    start();
    ASSERT_TRUE(rings_.stop_all(soon()));
    EXPECT_TRUE(backend_.called("stop 0"));
    EXPECT_FALSE(rings_.undrained());
    rings_.forget();
    ASSERT_TRUE(rings_.start_ready());
    EXPECT_EQ(starts(), 1);
    describe();
    EXPECT_EQ(starts(), 2);
}

TEST_F(RingsTest, ARingThatDoesNotStopInTimeIsRemembered) {
    backend_.hold(true);
    backend_.hang(true);
    ASSERT_TRUE(rings_.enable(ring_number(0, 1)));
    start();
    const auto block = guest_.allocate(4);
    const auto buffer = driver::to_device(block);
    ASSERT_TRUE(queue_->ring.add(std::span(&buffer, 1)));
    (void)queue_->ring.publish();
    queue_->kick();
    while (backend_.held() == 0) std::this_thread::yield();
    EXPECT_FALSE(rings_.stop_all(std::chrono::steady_clock::now()));
    EXPECT_TRUE(rings_.undrained());
    backend_.hang(false);
    EXPECT_TRUE(rings_.stop_all(soon()));
}

TEST_F(RingsTest, WritesToAUsedRingAreLoggedWhereTheFrontEndSays) {
    EXPECT_EQ(rings_.used_logs(), std::vector<std::optional<std::uint64_t>>(EchoBackend::queues));
    ASSERT_TRUE(rings_.place(
        message_of(driver::pack(2u, VringAddress::flag_log, 0ull, 0ull, 0ull, 0x5000ull)), soon()));
    EXPECT_EQ(rings_.used_logs()[2], 0x5000U);
    ASSERT_TRUE(
        rings_.place(message_of(driver::pack(2u, 0u, 0ull, 0ull, 0ull, 0x5000ull)), soon()));
    EXPECT_FALSE(rings_.used_logs()[2]);
}

}  // namespace
}  // namespace zonebridge::virtio
