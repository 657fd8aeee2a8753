#include "transports/ring.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/unit/support/hand_loop.h"

namespace zonebridge {
namespace {

struct Counter final : Watcher {
    void on_ready() override { ++calls; }
    int calls = 0;
};

struct RecordedResult final : Ring::Completer {
    void complete(const Result& result) noexcept override {
        value = result.value;
        ++calls;
    }
    std::int32_t value = 0;
    int calls = 0;
};

std::unique_ptr<Ring> make_ring() {
    auto ring = Ring::create(8);
    if (!ring) ADD_FAILURE() << ring.error().message;
    return ring ? std::move(*ring) : nullptr;
}

void kick(int fd) {
    const std::uint64_t one = 1;
    ASSERT_EQ(::write(fd, &one, sizeof one), static_cast<ssize_t>(sizeof one));
}

TEST(Ring, CallsAWatcherForEachKickWithoutReadingTheEventfd) {
    const auto ring = make_ring();
    ASSERT_TRUE(ring);
    const int fd = eventfd(0, EFD_CLOEXEC);
    Counter counter;
    ASSERT_TRUE(ring->watch(fd, counter));
    for (int round = 1; round <= 3; ++round) {
        std::thread other([&] { kick(fd); });
        ASSERT_TRUE(ring->turn(Loop::Wait::sleep));
        other.join();
        EXPECT_EQ(counter.calls, round);
    }
    ring->unwatch(fd);
    kick(fd);
    ASSERT_TRUE(ring->turn(Loop::Wait::poll));
    ASSERT_TRUE(ring->turn(Loop::Wait::poll));
    EXPECT_EQ(counter.calls, 3);
    ::close(fd);
}

TEST(Ring, SeesAKickThatCameBeforeTheWatch) {
    const auto ring = make_ring();
    ASSERT_TRUE(ring);
    const int fd = eventfd(1, EFD_CLOEXEC);
    Counter counter;
    ASSERT_TRUE(ring->watch(fd, counter));
    ASSERT_TRUE(ring->turn(Loop::Wait::sleep));
    EXPECT_EQ(counter.calls, 1);
    ring->unwatch(fd);
    // The same number may be watched again at once, by another watcher.
    Counter second;
    ASSERT_TRUE(ring->watch(fd, second));
    ASSERT_TRUE(ring->turn(Loop::Wait::sleep));
    while (second.calls == 0) ASSERT_TRUE(ring->turn(Loop::Wait::sleep));
    EXPECT_EQ(counter.calls, 1);
    EXPECT_EQ(second.calls, 1);
    ::close(fd);
}

TEST(Ring, RunsPostedCallsInOrderAndWakesForThem) {
    const auto ring = make_ring();
    ASSERT_TRUE(ring);
    std::vector<int> seen;
    std::thread other([&] {
        for (int i = 0; i < 100; ++i) ring->post([&seen, i] { seen.push_back(i); });
    });
    while (seen.size() < 100) ASSERT_TRUE(ring->turn(Loop::Wait::sleep));
    other.join();
    for (int i = 0; i < 100; ++i) EXPECT_EQ(seen[static_cast<std::size_t>(i)], i);
}

TEST(Ring, APostedCallMayTurnTheRing) {
    const auto ring = make_ring();
    ASSERT_TRUE(ring);
    bool inner = false;
    ring->post([&] {
        ring->post([&] { inner = true; });
        while (!inner) ASSERT_TRUE(ring->turn(Loop::Wait::sleep));
    });
    ASSERT_TRUE(ring->turn(Loop::Wait::sleep));
    EXPECT_TRUE(inner);
}

/// Posts calls 0, 1 and 2. Call 0 posts call 3 and turns the loop until call 3 has run. Returns the
/// order of the calls.
template <typename AnyLoop>
std::vector<int> nested_order(AnyLoop& loop) {
    std::vector<int> seen;
    loop.post([&] {
        seen.push_back(0);
        loop.post([&] { seen.push_back(3); });
        while (std::find(seen.begin(), seen.end(), 3) == seen.end())
            if (!loop.turn(Loop::Wait::sleep)) return;
    });
    loop.post([&] {
        seen.push_back(1);
        EXPECT_TRUE(loop.turn(Loop::Wait::poll));
    });
    loop.post([&] { seen.push_back(2); });
    EXPECT_TRUE(loop.turn(Loop::Wait::sleep));
    return seen;
}

TEST(Ring, RunsPostedCallsInOrderAlsoInNestedTurns) {
    const auto ring = make_ring();
    ASSERT_TRUE(ring);
    EXPECT_EQ(nested_order(*ring), (std::vector{0, 1, 2, 3}));
    test::HandLoop hand_loop;
    EXPECT_EQ(nested_order(hand_loop), (std::vector{0, 1, 2, 3}));
}

TEST(Ring, ANestedTurnDoesNotSleepOnCallsPostedBefore) {
    const auto ring = make_ring();
    ASSERT_TRUE(ring);
    auto second = false;
    ring->post([&] {
        while (!second) ASSERT_TRUE(ring->turn(Loop::Wait::sleep));
    });
    ring->post([&] { second = true; });
    ASSERT_TRUE(ring->turn(Loop::Wait::sleep));
    EXPECT_TRUE(second);
}

TEST(Ring, AWatcherMayWaitForACallThatWokeTheSameTurn) {
    struct Waiting final : Watcher {
        void on_ready() override {
            while (!*called) ASSERT_TRUE(ring->turn(Loop::Wait::sleep));
        }
        Ring* ring = nullptr;
        bool* called = nullptr;
    } watcher;
    const auto ring = make_ring();
    ASSERT_TRUE(ring);
    auto called = false;
    watcher.ring = ring.get();
    watcher.called = &called;
    const int fd = eventfd(0, EFD_CLOEXEC);
    ASSERT_TRUE(ring->watch(fd, watcher));
    ASSERT_TRUE(ring->turn(Loop::Wait::poll));
    ring->post([&] { called = true; });  // the wake-up for this call is taken first
    kick(fd);
    ASSERT_TRUE(ring->turn(Loop::Wait::sleep));
    EXPECT_TRUE(called);
    ring->unwatch(fd);
    ::close(fd);
}

TEST(Ring, ATurnRunsACallThatPostsItselfOnce) {
    const auto ring = make_ring();
    ASSERT_TRUE(ring);
    int calls = 0;
    std::function<void()> again = [&] {
        ++calls;
        ring->post(again);
    };
    ring->post(again);
    for (int turn = 1; turn <= 3; ++turn) {
        ASSERT_TRUE(ring->turn(Loop::Wait::sleep));
        EXPECT_EQ(calls, turn);
    }
}

TEST(Ring, CompletesMoreOperationsThanItHasEntries) {
    const auto ring = make_ring();
    ASSERT_TRUE(ring);
    std::array<RecordedResult, 100> operations;
    for (auto& operation : operations) {
        auto* entry = ring->prepare(operation);
        ASSERT_NE(entry, nullptr);
        io_uring_prep_nop(entry);
    }
    const auto done = [&] {
        int count = 0;
        for (const auto& operation : operations) count += operation.calls;
        return count;
    };
    while (done() < 100) ASSERT_TRUE(ring->turn(Loop::Wait::sleep));
    for (const auto& operation : operations) EXPECT_EQ(operation.calls, 1);
}

TEST(Ring, GivesTheKernelsErrorToTheOperation) {
    const auto ring = make_ring();
    ASSERT_TRUE(ring);
    RecordedResult operation;
    char byte = 0;
    io_uring_prep_read(ring->prepare(operation), -1, &byte, 1, 0);
    while (operation.calls == 0) ASSERT_TRUE(ring->turn(Loop::Wait::sleep));
    EXPECT_EQ(operation.value, -EBADF);
}

// A filter of system calls does not see what a ring does: the kernel's list for the ring does.
TEST(Ring, DoesOnlyWhatZonebridgeNeeds) {
    const auto ring = make_ring();
    ASSERT_TRUE(ring);
    RecordedResult open;
    io_uring_prep_openat(ring->prepare(open), AT_FDCWD, "/dev/null", O_RDONLY, 0);
    RecordedResult send;
    io_uring_prep_send(ring->prepare(send), 0, "x", 1, 0);
    RecordedResult flagged;
    auto* const entry = ring->prepare(flagged);
    io_uring_prep_nop(entry);
    io_uring_sqe_set_flags(entry, IOSQE_ASYNC);
    while (open.calls + send.calls + flagged.calls < 3) ASSERT_TRUE(ring->turn(Loop::Wait::sleep));
    EXPECT_EQ(open.value, -EACCES);
    EXPECT_EQ(send.value, -EACCES);
    EXPECT_EQ(flagged.value, -EACCES);
}

TEST(Ring, DoesNotSleepWhileACompletionIsReady) {
    const auto ring = make_ring();
    ASSERT_TRUE(ring);
    ASSERT_TRUE(ring->turn(Loop::Wait::poll));
    ring->note_ready();
    ASSERT_TRUE(ring->turn(Loop::Wait::sleep));  // would hang until the harness ends the test
}

TEST(Ring, LetsIssuersIssueBeforeItEntersTheKernel) {
    struct OneShot final : Issuer {
        void issue() noexcept override {
            if (!issued) io_uring_prep_nop(ring->prepare(operation));
            issued = true;
        }
        Ring* ring = nullptr;
        RecordedResult operation;
        bool issued = false;
    } issuer;
    const auto ring = make_ring();
    ASSERT_TRUE(ring);
    issuer.ring = ring.get();
    ring->add_issuer(issuer);
    ASSERT_TRUE(ring->turn(Loop::Wait::sleep));
    EXPECT_EQ(issuer.operation.calls, 1);
    ring->remove_issuer(issuer);
}

std::unique_ptr<Ring> make_polled_ring() {
    auto ring = Ring::create(8, Loop::Use::polled);
    if (!ring) ADD_FAILURE() << ring.error().message;
    return ring ? std::move(*ring) : nullptr;
}

/// Waits until the descriptor is readable. Returns false after ten seconds, which no test needs.
bool sleep_on(Ring& ring) {
    pollfd waiting{ring.fd().value(), POLLIN, 0};
    for (;;) {
        const auto woken = ::poll(&waiting, 1, 10'000);
        if (woken >= 0 || errno != EINTR) return woken == 1;
    }
}

TEST(Ring, ItsDescriptorWakesAForeignEventLoop) {
    const auto ring = make_polled_ring();
    ASSERT_TRUE(ring);
    const int fd = eventfd(0, EFD_CLOEXEC);
    Counter counter;
    ASSERT_TRUE(ring->watch(fd, counter));
    ASSERT_TRUE(ring->turn(Loop::Wait::poll));
    for (int round = 1; round <= 50; ++round) {
        // The yield mostly lets this thread fall asleep first.
        std::thread other([&] {
            std::this_thread::yield();
            kick(fd);
        });
        while (counter.calls < round) {
            if (!sleep_on(*ring)) break;
            ASSERT_TRUE(ring->turn(Loop::Wait::poll));
        }
        other.join();
        ASSERT_EQ(counter.calls, round);
        bool called = false;
        std::thread poster([&] {
            std::this_thread::yield();
            ring->post([&] { called = true; });
        });
        while (!called) {
            if (!sleep_on(*ring)) break;
            ASSERT_TRUE(ring->turn(Loop::Wait::poll));
        }
        poster.join();
        ASSERT_TRUE(called);
    }
    ring->unwatch(fd);
    ::close(fd);
}

/// Whether a foreign event loop would be woken now.
bool readable(Ring& ring) {
    pollfd waiting{ring.fd().value(), POLLIN, 0};
    return ::poll(&waiting, 1, 0) == 1;
}

/// Turns the ring while its descriptor is readable. Returns the number of turns.
int turn_while_readable(Ring& ring) {
    int turns = 0;
    for (; turns < 100 && readable(ring); ++turns) EXPECT_TRUE(ring.turn(Loop::Wait::poll));
    EXPECT_LT(turns, 100) << "the descriptor stays readable";
    return turns;
}

TEST(Ring, ItsDescriptorIsReadableFromANoteUntilATurn) {
    const auto ring = make_polled_ring();
    ASSERT_TRUE(ring);
    for (const bool queued : {false, true}) {
        const auto note = [&] { queued ? ring->note_queued() : ring->note_ready(); };
        EXPECT_FALSE(readable(*ring));
        note();
        note();
        EXPECT_TRUE(readable(*ring)) << "noted between turns";
        turn_while_readable(*ring);
        EXPECT_FALSE(readable(*ring));
        bool called = false;
        ring->post([&] {
            called = true;
            note();
        });
        EXPECT_TRUE(readable(*ring));
        while (!called) ASSERT_TRUE(ring->turn(Loop::Wait::poll));
        EXPECT_TRUE(readable(*ring)) << "noted in a turn";
        turn_while_readable(*ring);
    }
}

TEST(Ring, ItsDescriptorIsReadableForAPostBeforeAnyTurn) {
    const auto ring = make_polled_ring();
    ASSERT_TRUE(ring);
    EXPECT_FALSE(readable(*ring));
    bool called = false;
    std::thread([&] { ring->post([&] { called = true; }); }).join();
    EXPECT_TRUE(readable(*ring));
    turn_while_readable(*ring);
    EXPECT_TRUE(called);
}

TEST(Ring, ItsDescriptorIsReadableForPostsOfACallAndOfANestedTurn) {
    const auto ring = make_polled_ring();
    ASSERT_TRUE(ring);
    turn_while_readable(*ring);
    int calls = 0;
    ring->post([&] {
        ++calls;
        ring->post([&] { ++calls; });
        ASSERT_TRUE(ring->turn(Loop::Wait::poll));
        ring->note_ready();
        ring->post([&] { ++calls; });
    });
    turn_while_readable(*ring);
    EXPECT_EQ(calls, 3);
}

TEST(Ring, ItsDescriptorIsReadableForEntriesThatNoTurnHasSubmitted) {
    const auto ring = make_polled_ring();
    ASSERT_TRUE(ring);
    turn_while_readable(*ring);
    RecordedResult operation;
    io_uring_prep_nop(ring->prepare(operation));
    turn_while_readable(*ring);
    EXPECT_EQ(operation.calls, 1);

    // A completion in a turn may prepare the next operation like this.
    ring->post([&] { io_uring_prep_nop(ring->prepare(operation)); });
    turn_while_readable(*ring);
    EXPECT_EQ(operation.calls, 2);

    const int fd = eventfd(0, EFD_CLOEXEC);
    Counter counter;
    ASSERT_TRUE(ring->watch(fd, counter));
    turn_while_readable(*ring);
    EXPECT_EQ(counter.calls, 0);
    kick(fd);
    turn_while_readable(*ring);
    EXPECT_EQ(counter.calls, 1);
    ring->unwatch(fd);
    ::close(fd);
}

TEST(Ring, ItsDescriptorIsReadableUntilCompletionsThatDidNotFitAreTaken) {
    const auto ring = make_polled_ring();
    ASSERT_TRUE(ring);
    turn_while_readable(*ring);
    std::array<RecordedResult, 200> operations;  // more than the completion queue holds
    for (auto& operation : operations) {
        auto* entry = ring->prepare(operation);
        ASSERT_NE(entry, nullptr);
        io_uring_prep_nop(entry);
    }
    turn_while_readable(*ring);
    for (const auto& operation : operations) EXPECT_EQ(operation.calls, 1);
    // The ring's own poll may have ended because the completion queue was full.
    bool called = false;
    std::thread([&] { ring->post([&] { called = true; }); }).join();
    turn_while_readable(*ring);
    EXPECT_TRUE(called);
    ring->note_ready();
    EXPECT_TRUE(readable(*ring));
}

TEST(Ring, NotesMakeNoSystemCallIfItsThreadSleepsInTurns) {
    const auto ring = make_ring();
    ASSERT_TRUE(ring);
    EXPECT_FALSE(ring->fd());
    ASSERT_TRUE(ring->turn(Loop::Wait::poll));
    ring->note_ready();
    ring->note_queued();
    ASSERT_TRUE(ring->turn(Loop::Wait::poll));
    ASSERT_TRUE(ring->turn(Loop::Wait::poll));
    EXPECT_FALSE(ring->came()) << "a wake-up was written";
}

}  // namespace
}  // namespace zonebridge
