#include "transports/doorbell.h"

#include <array>
#include <cerrno>
#include <cstdint>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/unique_fd.h"

namespace zonebridge {
namespace {

class ADoorbell : public testing::Test {
  protected:
    ADoorbell() : ring_(std::move(*Ring::create())), bell_(std::move(*Doorbell::create())) {}

    void turn() { EXPECT_TRUE(ring_->turn(Loop::Wait::poll)); }
    /// What the eventfd has counted since the last call.
    static std::uint64_t count(const UniqueFd& event) {
        std::uint64_t value = 0;
        return ::read(event.get(), &value, sizeof value) == sizeof value ? value : 0;
    }

    std::unique_ptr<Ring> ring_;
    std::unique_ptr<Doorbell> bell_;
};

TEST_F(ADoorbell, AddsOneEachTime) {
    const auto event = make_event_fd();
    ASSERT_TRUE(bell_->connect(event.get()));
    EXPECT_EQ(count(event), 0U) << "connecting must not ring";
    for (std::uint64_t i = 1; i <= 200; ++i) {
        bell_->ring();
        EXPECT_EQ(count(event), 1U);
        // More often than there is room for completions that nobody reads.
        for (std::uint64_t k = 0; k < i; ++k) {
            bell_->ring_with(*ring_);
            if (k % 8 == 7) turn();
        }
        turn();
        EXPECT_EQ(count(event), i);
    }
}

TEST_F(ADoorbell, RingsWithTheTurnAndNotBefore) {
    const auto event = make_event_fd();
    ASSERT_TRUE(bell_->connect(event.get()));
    bell_->ring_with(*ring_);
    EXPECT_EQ(count(event), 0U);
    turn();
    EXPECT_EQ(count(event), 1U);
}

TEST_F(ADoorbell, NeverWaitsForRoom) {
    const UniqueFd event(::eventfd(0, EFD_CLOEXEC));  // blocks
    const std::uint64_t most = 0xFFFFFFFFFFFFFFFE;
    ASSERT_EQ(::write(event.get(), &most, sizeof most), static_cast<ssize_t>(sizeof most));
    ASSERT_TRUE(bell_->connect(event.get()));
    for (int i = 0; i < 100; ++i) {
        bell_->ring();
        bell_->ring_with(*ring_);
        turn();
    }
    EXPECT_GE(count(event), most);
}

TEST_F(ADoorbell, RingsOnlyTheLastThatWasConnected) {
    const auto first = make_event_fd();
    const auto second = make_event_fd();
    ASSERT_TRUE(bell_->connect(first.get()));
    ASSERT_TRUE(bell_->connect(second.get()));
    bell_->ring();
    EXPECT_EQ(count(first), 0U);
    EXPECT_EQ(count(second), 1U);
    bell_->disconnect();
    bell_->ring();
    bell_->ring_with(*ring_);
    turn();
    EXPECT_EQ(count(second), 0U);
}

TEST_F(ADoorbell, OutlivesTheDescriptor) {
    auto event = make_event_fd();
    const UniqueFd other(::dup(event.get()));
    ASSERT_TRUE(bell_->connect(event.get()));
    event.close();
    bell_->ring();
    EXPECT_EQ(count(other), 1U);
}

TEST_F(ADoorbell, ConnectsToEventfdsOnly) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    const std::array others{UniqueFd(ends[0]), UniqueFd(ends[1]),
                            UniqueFd(::epoll_create1(EPOLL_CLOEXEC)),
                            UniqueFd(::open("/dev/null", O_RDWR | O_CLOEXEC))};
    for (const auto& other : others) {
        const auto connected = bell_->connect(other.get());
        ASSERT_FALSE(connected);
        EXPECT_EQ(connected.error().cause, NativeCause::os_error(EINVAL));
    }
    EXPECT_FALSE(bell_->connect(-1));
    bell_->ring();
}

}  // namespace
}  // namespace zonebridge
