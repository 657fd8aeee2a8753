#include "base/unique_fd.h"

#include <poll.h>

#include <gtest/gtest.h>

namespace zonebridge {
namespace {

bool readable(const UniqueFd& fd) {
    pollfd wait{fd.get(), POLLIN, 0};
    return ::poll(&wait, 1, 0) == 1;
}

TEST(UniqueFd, ANegativeNumberIsNoDescriptor) {
    const UniqueFd none(-1);
    EXPECT_FALSE(none);
    EXPECT_EQ(none.get(), -1);
}

TEST(Event, IsReadableFromASignalUntilItIsDrained) {
    const auto event = make_event_fd();
    ASSERT_TRUE(event);
    EXPECT_FALSE(readable(event));
    signal_event(event);
    signal_event(event);
    EXPECT_TRUE(readable(event));
    drain_event(event);
    EXPECT_FALSE(readable(event));
    drain_event(event);  // does not block
}

TEST(Event, AFullEventTakesFurtherSignalsWithoutBlocking) {
    const auto event = make_event_fd();
    ASSERT_EQ(::eventfd_write(event.get(), ~0ull - 1), 0);
    signal_event(event);
    EXPECT_TRUE(readable(event));
    drain_event(event);
    EXPECT_FALSE(readable(event));
}

TEST(Event, ASignalWithoutADescriptorDoesNothing) {
    signal_event(UniqueFd());
    signal_event(SharedFd());
}

}  // namespace
}  // namespace zonebridge
