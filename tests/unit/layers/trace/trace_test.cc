#include "layers/trace/trace.h"

#include <array>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/support/driver.h"
#include "tests/unit/support/hand_loop.h"
#include "tests/unit/support/machine_disk.h"
#include "tests/unit/zone/support.h"

namespace zonebridge::test {
namespace {

class Sink final : public RefusalSink {
  public:
    explicit Sink() { refusals.reserve(1000); }
    [[nodiscard]] bool wants() const noexcept override { return wanted; }
    void refused(const Refusal& refusal) noexcept override { refusals.push_back(refusal); }

    bool wanted = true;
    std::vector<Refusal> refusals;
};

struct Traced {
    explicit Traced(const MachineDiskShape& shape = {}) {
        auto below = std::make_unique<MachineDisk>(shape);
        disk = below.get();
        transport = trace_refusals(std::move(below), sink);
        driver =
            std::make_unique<Driver>(std::move(*transport->open_queue(loop, {.depth = 16})), loop);
    }
    static std::uint64_t at(std::uint32_t zone) { return zone * std::uint64_t{64 << 10}; }
    StatusCode write(std::uint64_t offset, std::uint64_t length = 4096) {
        return driver->write(offset, pattern(offset, length)).code;
    }

    Sink sink;
    MachineDisk* disk;
    HandLoop loop;
    std::unique_ptr<Transport> transport;
    std::unique_ptr<Driver> driver;
};

TEST(Trace, SuccessIsNotReported) {
    Traced traced;
    EXPECT_EQ(traced.write(traced.at(3)), StatusCode::ok);
    EXPECT_EQ(traced.driver->read(traced.at(3), 4096), pattern(traced.at(3), 4096));
    EXPECT_EQ(traced.driver->act_all(Operation::reset).code, StatusCode::ok);
    EXPECT_TRUE(traced.sink.refusals.empty());
    for (const auto& taken : traced.disk->taken) EXPECT_NE(taken.operation, Operation::report);
}

TEST(Trace, ARefusalIsReportedWithItsZone) {
    Traced traced;
    EXPECT_EQ(traced.write(traced.at(4)), StatusCode::ok);
    EXPECT_EQ(traced.write(traced.at(4) + 12288), StatusCode::unaligned_write);
    ASSERT_EQ(traced.sink.refusals.size(), 1U);
    const auto& refusal = traced.sink.refusals[0];
    EXPECT_EQ(refusal.operation, Operation::write);
    EXPECT_EQ(refusal.offset, traced.at(4) + 12288);
    EXPECT_EQ(refusal.length, 4096U);
    EXPECT_EQ(refusal.status.code, StatusCode::unaligned_write);
    ASSERT_TRUE(refusal.zone);
    EXPECT_EQ(refusal.zone->start, traced.at(4));
    EXPECT_EQ(refusal.zone->state, ZoneState::implicit_open);
    EXPECT_EQ(refusal.zone->write_pointer, traced.at(4) + 4096);
}

TEST(Trace, TheCompletionWaitsForTheReportOfTheZone) {
    Traced traced;
    const auto data = pattern(1, 4096);
    const iovec piece{const_cast<std::uint8_t*>(data.data()), data.size()};
    traced.driver->submit({.tag = 5,
                           .operation = Operation::write,
                           .offset = traced.at(4) + 4096,
                           .length = 4096,
                           .data = {&piece, 1},
                           .zones = {}});
    std::array<Completion, 4> done;
    // The write has failed below. Its completion waits for the report of the zone.
    auto& queue = traced.driver->queue();
    EXPECT_EQ(queue.reap(done), 0U);
    EXPECT_EQ(traced.disk->taken.back().operation, Operation::report);
    EXPECT_TRUE(traced.loop.ready()) << "the loop must not sleep while a completion is ready";
    ASSERT_EQ(queue.reap(done), 1U);
    EXPECT_EQ(done[0].tag, 5U);
    EXPECT_EQ(done[0].status.code, StatusCode::unaligned_write);
}

TEST(Trace, RefusalsOfTheCheckAreReported) {
    Traced traced;
    Bytes into(100);
    EXPECT_EQ(traced.driver->try_read(0, into).code, StatusCode::misaligned);
    EXPECT_EQ(traced.write(traced.at(5) - 4096, 8192), StatusCode::crosses_boundary);
    EXPECT_EQ(traced.driver->act(Operation::reset, 0, 64 << 10).status.code,
              StatusCode::not_sequential);
    EXPECT_EQ(traced.write(std::uint64_t{1} << 40), StatusCode::out_of_range);
    ASSERT_EQ(traced.sink.refusals.size(), 4U);
    EXPECT_FALSE(traced.sink.refusals[0].zone) << "no zone is the cause";
    ASSERT_TRUE(traced.sink.refusals[1].zone);
    EXPECT_EQ(traced.sink.refusals[1].zone->start, traced.at(4));
    ASSERT_TRUE(traced.sink.refusals[2].zone);
    EXPECT_EQ(traced.sink.refusals[2].zone->type, ZoneType::conventional);
    EXPECT_EQ(traced.sink.refusals[2].operation, Operation::reset);
    EXPECT_FALSE(traced.sink.refusals[3].zone) << "no zone is at this offset";
}

TEST(Trace, ASinkThatWantsNoMoreGetsNoZones) {
    Traced traced;
    traced.sink.wanted = false;
    EXPECT_EQ(traced.write(traced.at(4) + 4096), StatusCode::unaligned_write);
    ASSERT_EQ(traced.sink.refusals.size(), 1U) << "the sink still counts the refusal";
    EXPECT_FALSE(traced.sink.refusals[0].zone);
    EXPECT_EQ(traced.disk->taken.size(), 1U);
}

TEST(Trace, ARangeIsReportedWithTheZoneThatFailed) {
    Traced traced;
    traced.disk->broken[7] = ZoneState::offline;
    EXPECT_EQ(traced.driver->act(Operation::open, traced.at(5), 4 * (64 << 10)).status.code,
              StatusCode::zone_offline);
    ASSERT_EQ(traced.sink.refusals.size(), 1U);
    EXPECT_EQ(traced.sink.refusals[0].zone->start, traced.at(7));
    EXPECT_EQ(traced.sink.refusals[0].zone->state, ZoneState::offline);

    Bytes into(8192);
    EXPECT_EQ(traced.driver->try_read(traced.at(7) - 4096, into).code, StatusCode::zone_offline);
    ASSERT_EQ(traced.sink.refusals.size(), 2U);
    EXPECT_EQ(traced.sink.refusals[1].zone->start, traced.at(7));
}

TEST(Trace, ManyAtOnceAllCompleteAndAreReported) {
    Traced traced;
    const auto data = pattern(1, 4096);
    const iovec piece{const_cast<std::uint8_t*>(data.data()), data.size()};
    std::vector<Request> requests;
    for (std::uint64_t i = 0; i < 100; ++i)
        requests.push_back({.operation = Operation::write,
                            .offset = traced.at(2) + (i + 1) * 4096 % 32768 + 4096,
                            .length = 4096,
                            .data = {&piece, 1},
                            .zones = {}});
    for (const auto most : {std::size_t{1}, std::size_t{16}}) {
        traced.disk->take_at_most = most;
        traced.sink.refusals.clear();
        for (const auto& done : traced.driver->run(requests))
            EXPECT_EQ(done.status.code, StatusCode::unaligned_write);
        EXPECT_EQ(traced.sink.refusals.size(), requests.size());
    }
}

TEST(Trace, IfTheReportFailsTheRefusalHasNoZone) {
    Traced traced;
    const auto data = pattern(1, 4096);
    const iovec piece{const_cast<std::uint8_t*>(data.data()), data.size()};
    traced.driver->submit({.operation = Operation::write,
                           .offset = traced.at(4) + 4096,
                           .length = 4096,
                           .data = {&piece, 1},
                           .zones = {}});
    traced.disk->fail_next = StatusCode::io_error;
    EXPECT_EQ(traced.driver->drain(1)[0].status.code, StatusCode::unaligned_write);
    ASSERT_EQ(traced.sink.refusals.size(), 1U);
    EXPECT_FALSE(traced.sink.refusals[0].zone);
}

TEST(Trace, ARefusalAllocatesNothing) {
    Traced traced;
    traced.disk->taken.reserve(1000);
    const auto data = pattern(1, 4096);
    const iovec piece{const_cast<std::uint8_t*>(data.data()), data.size()};
    const Request request{.operation = Operation::write,
                          .offset = traced.at(4) + 4096,
                          .length = 4096,
                          .data = {&piece, 1},
                          .zones = {}};
    auto& queue = traced.driver->queue();
    std::array<Completion, 4> done;
    const auto before = allocations();
    for (int i = 0; i < 100; ++i) {
        ASSERT_EQ(queue.submit({&request, 1}), 1U);
        while (queue.reap(done) == 0) continue;
    }
    EXPECT_EQ(allocations(), before);
    EXPECT_EQ(traced.sink.refusals.size(), 100U);
}

}  // namespace
}  // namespace zonebridge::test
