// Queues: every depth, every request completed once, guaranteed order, concurrent threads, and
// closing with requests in flight.
#include <algorithm>
#include <array>
#include <cerrno>
#include <poll.h>
#include <random>

#include "tests/contract/fixture.h"
#include "tests/contract/oracle.h"

namespace zonebridge::contract {
namespace {

class Queues : public Contract {
  protected:
    /// A queue of its own on the test's ring.
    [[nodiscard]] std::unique_ptr<Queue> open_queue(std::size_t depth) {
        auto queue = transport().open_queue(ring(), {.depth = depth});
        if (!queue) throw std::runtime_error(queue.error().message);
        return std::move(*queue);
    }
    /// Turns the loop and reaps until `count` completions have arrived.
    std::vector<Completion> wait(Queue& queue, std::size_t count) {
        std::vector<Completion> all;
        std::array<Completion, 5> some;
        while (all.size() < count) {
            EXPECT_TRUE(ring().turn(Loop::Wait::sleep));
            while (const auto reaped = queue.reap(some))
                all.insert(all.end(), some.begin(), some.begin() + reaped);
        }
        return all;
    }
    /// Writes `count` units and returns their offset.
    [[nodiscard]] std::uint64_t written(std::uint64_t count) {
        const auto at = zoned() ? start(zones().front()) : 0;
        if (moves_data()) fill(at, count * unit(), 77);
        return at;
    }
};

class ZoneQueues : public Queues {
  protected:
    void SetUp() override {
        Queues::SetUp();
        if (HasFatalFailure()) return;
        if (!zoned()) GTEST_SKIP() << "the device has no zones";
        if (!appends()) GTEST_SKIP() << "the device has no zone append";
    }
};

TEST_F(Queues, OfEveryDepthCompleteEveryRequestOnce) {
    const auto units =
        zoned() ? std::min<std::uint64_t>(capacity(zones().front()) / unit(), 64) : 64;
    const auto at = written(units);
    for (const std::size_t depth : {1U, 2U, 3U, 7U, 32U, 128U}) {
        SCOPED_TRACE(depth);
        auto queue = open_queue(depth);
        ASSERT_GE(queue->depth(), 1U);
        const auto most = queue->depth();
        const auto total = 2 * depth + 5;
        std::vector<Bytes> data(total, Bytes(unit(), 0xEE));
        std::vector<iovec> buffers(total);
        std::vector<Request> requests;
        for (std::size_t i = 0; i < total; ++i) {
            buffers[i] = {data[i].data(), data[i].size()};
            requests.push_back(
                request_of(Operation::read, at + i % units * unit(), unit(), {&buffers[i], 1}));
            requests.back().tag = i;
        }
        std::vector<int> seen(total);
        std::size_t submitted = 0;
        std::size_t done = 0;
        while (done < total) {
            submitted += queue->submit(std::span(requests).subspan(submitted));
            ASSERT_LE(submitted - done, most);
            for (const auto& each : wait(*queue, 1)) {
                ASSERT_LT(each.tag, submitted);
                ++seen[each.tag];
                ++done;
                EXPECT_EQ(each.status.code, StatusCode::ok) << to_string(each.status.cause);
            }
        }
        EXPECT_TRUE(std::all_of(seen.begin(), seen.end(), [](int times) { return times == 1; }));
        if (!moves_data()) continue;
        const auto expected = disk().read(
            at, units * unit() <= limits().max_transfer ? units * unit() : limits().max_transfer);
        for (std::size_t i = 0; i < total; ++i)
            if ((i % units + 1) * unit() <= expected.size()) {
                EXPECT_TRUE(
                    std::equal(data[i].begin(), data[i].end(),
                               expected.begin() + static_cast<std::ptrdiff_t>(i % units * unit())))
                    << i;
            }
    }
}

TEST_F(Queues, ThatAreFullTakeNoMoreUntilReaped) {
    auto queue = open_queue(4);
    const auto depth = queue->depth();
    const auto at = written(1);
    Bytes data(unit());
    const iovec buffer{data.data(), data.size()};
    const std::vector<Request> requests(depth + 2,
                                        request_of(Operation::read, at, unit(), {&buffer, 1}));
    std::size_t in_flight = queue->submit(requests);
    EXPECT_GE(in_flight, 1U);
    EXPECT_LE(in_flight, depth);
    // Requests that are refused occupy a slot too.
    while (in_flight < depth) {
        const auto more = queue->submit(std::span(requests).first(1));
        if (more == 0) break;
        in_flight += more;
    }
    EXPECT_EQ(queue->submit(std::span(requests).first(1)), 0U);
    EXPECT_EQ(wait(*queue, in_flight).size(), in_flight);
    EXPECT_EQ(queue->submit(std::span(requests).first(1)), 1U);
    EXPECT_EQ(wait(*queue, 1).size(), 1U);
}

// The queue must keep the loop awake while completions that reap() had no room for are pending.
// Otherwise this test hangs, and the suite's time limit ends it.
TEST_F(Queues, ReapedInPartDoNotSleepOnTheRest) {
    constexpr std::size_t count = 6;
    auto queue = open_queue(count);
    ASSERT_GE(queue->depth(), count);
    const auto at = written(1);
    Bytes data(unit());
    const iovec buffer{data.data(), data.size()};
    const auto read = request_of(Operation::read, at, unit(), {&buffer, 1});
    const auto flush = request_of(Operation::flush, 0, 0);
    auto refused = read;
    refused.offset = limits().size();
    std::array<Request, count> requests{read, refused, flush, read, refused, read};
    for (std::size_t i = 0; i < count; ++i) requests[i].tag = i;
    ASSERT_EQ(queue->submit(requests), count);
    // More turns than there are events: in the last turns, completions are pending. On a fast
    // device all of them are.
    for (int turn = 0; turn < 100; ++turn) {
        ASSERT_TRUE(ring().turn(Loop::Wait::sleep));
        ASSERT_EQ(queue->reap({}), 0U);
    }
    // If the loop slept with completions pending, this turn would not return.
    std::array<int, count> seen{};
    for (std::size_t done = 0; done < count;) {
        ASSERT_TRUE(ring().turn(Loop::Wait::sleep));
        Completion one;
        if (queue->reap({&one, 1}) == 0) continue;
        ++done;
        ASSERT_LT(one.tag, count);
        ++seen[one.tag];
        EXPECT_EQ(one.status.code,
                  one.tag == 1 || one.tag == 4 ? StatusCode::out_of_range : StatusCode::ok);
    }
    EXPECT_TRUE(std::all_of(seen.begin(), seen.end(), [](int times) { return times == 1; }));
}

// A program with an event loop of another kind sleeps in its own poll() and turns the loop only
// when Loop::fd() is readable.
TEST_F(Queues, OfAForeignEventLoopNeverLeaveItAsleep) {
    constexpr std::uint64_t count = 24;
    auto loop = Ring::create(512, Loop::Use::polled);
    ASSERT_TRUE(loop) << loop.error().message;
    auto opened = transport().open_queue(**loop, {.depth = 4});
    ASSERT_TRUE(opened) << opened.error().message;
    auto& queue = *opened;
    const auto target = zoned() ? zones().front() : 0;
    const auto base = zoned() ? start(target) : 0;
    std::vector<Bytes> data;
    std::vector<iovec> buffers(count);
    std::vector<Request> requests;
    for (std::uint64_t i = 0; i < count; ++i) data.push_back(pattern(700 + i, unit()));
    for (std::uint64_t i = 0; i < count; ++i) {
        buffers[i] = {data[i].data(), data[i].size()};
        requests.push_back(
            request_of(Operation::write, base + i * unit(), unit(), {&buffers[i], 1}));
        if (i % 5 == 2) requests.push_back(request_of(Operation::flush, 0, 0));
        if (i % 5 == 4 && zoned())
            requests.push_back(
                request_of(Operation::close, start(target), layout().length_of(target)));
        if (i % 5 == 3)
            requests.push_back(
                request_of(Operation::read, limits().size(), unit(), {&buffers[i], 1}));
    }
    std::size_t submitted = 0;
    std::size_t done = 0;
    std::array<Completion, 2> some;
    pollfd waiting{(*loop)->fd().value(), POLLIN, 0};
    while (done < requests.size()) {
        // One request at a time, so that each must wake the loop.
        if (submitted < requests.size())
            submitted += queue->submit(std::span(requests).subspan(submitted, 1));
        const auto woken = ::poll(&waiting, 1, 30'000);
        if (woken < 0 && errno == EINTR) continue;
        ASSERT_EQ(woken, 1) << "asleep with " << submitted - done << " in flight";
        ASSERT_TRUE((*loop)->turn(Loop::Wait::poll));
        const auto reaped = queue->reap(some);
        done += reaped;
        for (const auto& each : std::span(some).first(reaped))
            EXPECT_TRUE(each.status.ok() || each.status.code == StatusCode::out_of_range)
                << to_string(each.status.code);
    }
    if (!moves_data()) return;
    for (std::uint64_t i = 0; i < count; ++i)
        ASSERT_TRUE(disk().read(base + i * unit(), unit()) == data[i]) << i;
}

TEST_F(ZoneQueues, WritesOfOneZoneKeepTheirOrder) {
    for (const std::size_t depth : {1U, 4U, 32U, 128U}) {
        SCOPED_TRACE(depth);
        const auto target = zones().front();
        ASSERT_EQ(act(Operation::reset, target).status.code, StatusCode::ok);
        const auto count = std::min<std::uint64_t>(capacity(target) / unit(), 128);
        std::vector<Bytes> data;
        std::vector<iovec> buffers(count);
        std::vector<Request> requests;
        for (std::uint64_t i = 0; i < count; ++i) data.push_back(pattern(900 + i, unit()));
        for (std::uint64_t i = 0; i < count; ++i) {
            buffers[i] = {data[i].data(), data[i].size()};
            requests.push_back(
                request_of(Operation::write, start(target) + i * unit(), unit(), {&buffers[i], 1}));
        }
        Driver driver(open_queue(depth), ring());
        for (const auto& each : driver.run(requests))
            ASSERT_EQ(each.status.code, StatusCode::ok)
                << "write " << each.tag << ": " << to_string(each.status.cause);
        for (std::uint64_t i = 0; i < count; ++i)
            ASSERT_TRUE(driver.read(start(target) + i * unit(), unit()) == data[i]) << i;
    }
}

TEST_F(ZoneQueues, WritesAppendsAndActionsOfOneZoneKeepTheirOrder) {
    const auto target = zones()[zones().size() / 2];
    std::array<Bytes, 6> data;
    std::array<iovec, 6> buffers{};
    for (std::size_t i = 0; i < data.size(); ++i) {
        data[i] = pattern(300 + i, unit());
        buffers[i] = {data[i].data(), data[i].size()};
    }
    const auto write = [&](std::uint64_t at, std::size_t i) {
        return request_of(Operation::write, start(target) + at * unit(), unit(), {&buffers[i], 1});
    };
    const auto append = [&](std::size_t i) {
        return request_of(Operation::append, start(target), unit(), {&buffers[i], 1});
    };
    const auto action = [&](Operation operation) {
        return request_of(operation, start(target), layout().length_of(target));
    };
    const std::array requests = {write(0, 0),
                                 write(1, 1),
                                 action(Operation::reset),
                                 write(0, 2),
                                 append(3),
                                 write(2, 4),
                                 action(Operation::close),
                                 append(5),
                                 write(9, 0),
                                 action(Operation::finish),
                                 write(4, 0)};
    const auto done = disk().run(requests);
    for (std::size_t i = 0; i + 3 < done.size(); ++i)
        EXPECT_EQ(done[i].status.code, StatusCode::ok) << i << to_string(done[i].status.cause);
    EXPECT_EQ(done[4].result, start(target) + unit());
    EXPECT_EQ(done[7].result, start(target) + 3 * unit());
    if (required()) {
        EXPECT_EQ(done[8].status.code, StatusCode::unaligned_write);
        EXPECT_EQ(done[10].status.code, StatusCode::zone_full);
    }
    EXPECT_EQ(done[9].status.code, StatusCode::ok);
    EXPECT_EQ(zone(target).state, ZoneState::full);
    if (!required()) return;
    for (const auto& [at, i] : {std::pair{0, 2}, {1, 3}, {2, 4}, {3, 5}})
        EXPECT_TRUE(disk().read(start(target) + static_cast<std::uint64_t>(at) * unit(), unit()) ==
                    data[static_cast<std::size_t>(i)])
            << at;
}

TEST_F(ZoneQueues, ARefusedWriteLosesNoneOfTheOthers) {
    if (!required()) GTEST_SKIP() << "the device's zones only prefer sequential writes";
    const auto target = zones().front();
    std::vector<Bytes> data;
    for (std::uint64_t i = 0; i < 12; ++i) data.push_back(pattern(400 + i, unit()));
    std::vector<iovec> buffers(data.size());
    std::vector<Request> requests;
    for (std::size_t i = 0; i < data.size(); ++i) {
        buffers[i] = {data[i].data(), data[i].size()};
        // The sixth write is at a wrong offset; those behind it continue without it.
        const auto at = i == 5 ? 40 : i < 5 ? i : i - 1;
        requests.push_back(
            request_of(Operation::write, start(target) + at * unit(), unit(), {&buffers[i], 1}));
    }
    const auto done = disk().run(requests);
    for (std::size_t i = 0; i < done.size(); ++i)
        EXPECT_EQ(done[i].status.code, i == 5 ? StatusCode::unaligned_write : StatusCode::ok) << i;
    EXPECT_EQ(zone(target).write_pointer, start(target) + 11 * unit());
    for (std::size_t i = 0; i < data.size(); ++i)
        if (i != 5) {
            EXPECT_TRUE(disk().read(requests[i].offset, unit()) == data[i]) << i;
        }
}

// All kinds of requests, 128 in flight: none waits for another forever, and each gets its own
// result.
TEST_F(ZoneQueues, RequestsOfEveryKindGoSideBySide) {
    auto targets = zones();
    targets.resize(std::min<std::size_t>({targets.size(), most_active(), 6}));
    for (const auto target : targets) fill(start(target), 2 * unit(), target + 1);
    std::mt19937_64 random(5);
    constexpr std::size_t count = 300;
    std::vector<Bytes> data(count);
    std::vector<iovec> buffers(count);
    std::vector<std::array<Zone, 2>> rooms(count);
    std::vector<Request> requests;
    for (std::size_t i = 0; i < count; ++i) {
        const auto target = targets[random() % targets.size()];
        const auto kind = random() % 8;
        if (kind < 4) {
            data[i].assign(2 * unit(), 0xEE);
            buffers[i] = {data[i].data(), data[i].size()};
            requests.push_back(
                request_of(Operation::read, start(target), 2 * unit(), {&buffers[i], 1}));
        } else if (kind < 6) {
            data[i] = pattern(5000 + i, unit());
            buffers[i] = {data[i].data(), data[i].size()};
            requests.push_back(
                request_of(Operation::append, start(target), unit(), {&buffers[i], 1}));
        } else if (kind == 6) {
            requests.push_back(request_of(Operation::flush, 0, 0));
        } else {
            requests.push_back({.operation = Operation::report,
                                .offset = start(target),
                                .data = {},
                                .zones = rooms[i]});
        }
    }
    Driver driver(open_queue(128), ring());
    const auto done = driver.run(requests);
    for (std::size_t i = 0; i < count; ++i) {
        ASSERT_EQ(done[i].status.code, StatusCode::ok)
            << to_string(requests[i].operation) << ": " << to_string(done[i].status.cause);
        const auto number = layout().zone_of(requests[i].offset);
        if (requests[i].operation == Operation::read) {
            ASSERT_TRUE(data[i] == pattern(number + 1, 2 * unit())) << i;
        }
        if (requests[i].operation == Operation::append) {
            ASSERT_TRUE(driver.read(done[i].result, unit()) == data[i]) << i;
        }
        if (requests[i].operation == Operation::report) {
            ASSERT_EQ(rooms[i][0].start, start(number)) << i;
        }
    }
}

TEST_F(Queues, OfManyThreadsServeEachItsOwn) {
    if (!moves_data()) GTEST_SKIP() << "the device moves no data";
    constexpr std::uint64_t threads = 8;
    const auto count = std::min<std::uint64_t>(zoned() ? most_active() : threads, threads);
    run(static_cast<int>(count), [&](Driver& disk, int thread) {
        const auto mine = static_cast<std::uint64_t>(thread);
        const auto base =
            zoned() ? start(zones()[mine]) : limits().size() / threads / unit() * unit() * mine;
        for (std::uint64_t i = 0; i < 16; ++i) {
            const auto data = pattern(mine * 1000 + i, piece());
            ASSERT_EQ(disk.write(base + i * piece(), data).code, StatusCode::ok) << i;
            ASSERT_TRUE(disk.read(base + i * piece(), piece()) == data) << i;
            if (i % 8 == 7) {
                ASSERT_EQ(disk.flush().code, StatusCode::ok);
            }
        }
    });
}

TEST_F(ZoneQueues, OfManyThreadsTakeTurnsAtOneZone) {
    const auto target = zones().front();
    // Each thread resets, appends and reports; all results must be consistent.
    run(4, [&](Driver& disk, int thread) {
        for (std::uint64_t i = 0; i < 12; ++i) {
            const auto stamp = static_cast<std::uint64_t>(thread) * 100 + i;
            const auto done = disk.append(start(target), pattern(stamp, unit()));
            ASSERT_EQ(done.status.code, StatusCode::ok) << to_string(done.status.cause);
            ASSERT_LT(done.result, start(target) + capacity(target));
            if (i % 4 == 3) {
                ASSERT_EQ(disk.act(Operation::reset, start(target), layout().length_of(target))
                              .status.code,
                          StatusCode::ok);
            }
            const auto now = disk.report(1, start(target));
            ASSERT_EQ(now.size(), 1U);
            ASSERT_TRUE(now[0].state == ZoneState::empty ||
                        now[0].state == ZoneState::implicit_open)
                << to_string(now[0].state);
        }
    });
}

TEST_F(Queues, CanBeClosedWithRequestsInFlight) {
    const auto at = written(4);
    for (int round = 0; round < 6; ++round) {
        SCOPED_TRACE(round);
        auto queue = open_queue(64);
        std::vector<Bytes> data(40, Bytes(4 * unit(), 0xEE));
        std::vector<iovec> buffers(data.size());
        std::vector<Request> requests;
        for (std::size_t i = 0; i < data.size(); ++i) {
            buffers[i] = {data[i].data(), data[i].size()};
            requests.push_back(request_of(Operation::read, at, 4 * unit(), {&buffers[i], 1}));
        }
        EXPECT_GE(queue->submit(requests), 1U);
        // Close before the requests are issued, after that, with some completed, and with some
        // reaped.
        for (int turn = 0; turn < round % 4; ++turn) {
            ASSERT_TRUE(ring().turn(Loop::Wait::poll));
        }
        std::array<Completion, 3> some;
        if (round % 2 == 1) static_cast<void>(queue->reap(some));
        queue.reset();
        // The closed queue must not write to these buffers any more.
        for (auto& each : data) each.assign(each.size(), 0x55);
        EXPECT_EQ(disk().flush().code, StatusCode::ok);
        for (const auto& each : data)
            EXPECT_TRUE(std::all_of(each.begin(), each.end(), [](auto b) { return b == 0x55; }));
    }
}

TEST_F(ZoneQueues, CanBeClosedWithWritesInFlight) {
    const auto target = zones().front();
    for (int round = 0; round < 6; ++round) {
        SCOPED_TRACE(round);
        ASSERT_EQ(act(Operation::reset, target).status.code, StatusCode::ok);
        const auto count = std::min<std::uint64_t>(capacity(target) / unit(), 32);
        std::vector<Bytes> data;
        for (std::uint64_t i = 0; i < count; ++i)
            data.push_back(pattern(600 + 100 * static_cast<std::uint64_t>(round) + i, unit()));
        std::vector<iovec> buffers(count);
        std::vector<Request> requests;
        for (std::uint64_t i = 0; i < count; ++i) {
            buffers[i] = {data[i].data(), data[i].size()};
            requests.push_back(
                round % 2 == 0
                    ? request_of(Operation::write, start(target) + i * unit(), unit(),
                                 {&buffers[i], 1})
                    : request_of(Operation::append, start(target), unit(), {&buffers[i], 1}));
        }
        auto queue = open_queue(64);
        EXPECT_GE(queue->submit(requests), 1U);
        for (int turn = 0; turn < round / 2; ++turn) {
            ASSERT_TRUE(ring().turn(Loop::Wait::poll));
        }
        queue.reset();
        // The data below the pointer are a prefix of the requests, and new writes continue at the
        // pointer.
        const auto now = zone(target);
        const auto end = now.write_pointer.value_or(start(target) + capacity(target));
        ASSERT_EQ((end - start(target)) % unit(), 0U);
        const auto landed = (end - start(target)) / unit();
        ASSERT_LE(landed, count);
        for (std::uint64_t i = 0; i < landed && round % 2 == 0; ++i)
            EXPECT_TRUE(disk().read(start(target) + i * unit(), unit()) == data[i]) << i;
        if (!now.write_pointer) continue;
        const auto next = disk().append(start(target), pattern(1, unit()));
        EXPECT_EQ(next.status.code, StatusCode::ok) << to_string(next.status.cause);
        EXPECT_EQ(next.result, end);
        EXPECT_EQ(disk().write(end + unit(), pattern(2, unit())).code, StatusCode::ok);
    }
}

// Closing a queue does not affect the queues of other threads, even with the same zone.
TEST_F(ZoneQueues, CanBeClosedBesideOthers) {
    const auto target = zones().front();
    run(4, [&](Driver& driver, int thread) {
        if (thread != 0) {
            for (std::uint64_t i = 0; i < 10; ++i) {
                const auto done = driver.append(start(target), pattern(i, unit()));
                ASSERT_EQ(done.status.code, StatusCode::ok) << to_string(done.status.cause);
            }
            return;
        }
        for (int i = 0; i < 6; ++i) {
            auto queue = transport().open_queue(driver.loop(), {.depth = 8});
            ASSERT_TRUE(queue);
            const auto data = pattern(99, unit());
            const iovec buffer{const_cast<std::uint8_t*>(data.data()), data.size()};
            const std::vector<Request> some(
                4, request_of(Operation::append, start(target), unit(), {&buffer, 1}));
            EXPECT_GE((*queue)->submit(some), 1U);
            if (i % 2 == 0) {
                ASSERT_TRUE(driver.loop().turn(Loop::Wait::poll));
            }
        }
    });
    const auto now = zone(target);
    ASSERT_TRUE(now.write_pointer);
    EXPECT_GE(*now.write_pointer, start(target) + 30 * unit());
    EXPECT_LE(*now.write_pointer, start(target) + 54 * unit());
}

}  // namespace
}  // namespace zonebridge::contract
