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
    explicit Sink() { told.reserve(1000); }
    [[nodiscard]] bool wants() const noexcept override { return wanted; }
    void refused(const Refusal& refusal) noexcept override { told.push_back(refusal); }

    bool wanted = true;
    std::vector<Refusal> told;
};

struct Explained {
    explicit Explained(const MachineDiskShape& shape = {}) {
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

TEST(Explain, WhatGoesWellIsNotTold) {
    Explained explained;
    EXPECT_EQ(explained.write(explained.at(3)), StatusCode::ok);
    EXPECT_EQ(explained.driver->read(explained.at(3), 4096), pattern(explained.at(3), 4096));
    EXPECT_EQ(explained.driver->act_all(Operation::reset).code, StatusCode::ok);
    EXPECT_TRUE(explained.sink.told.empty());
    for (const auto& taken : explained.disk->taken) EXPECT_NE(taken.operation, Operation::report);
}

TEST(Explain, ARefusalComesWithItsZone) {
    Explained explained;
    EXPECT_EQ(explained.write(explained.at(4)), StatusCode::ok);
    EXPECT_EQ(explained.write(explained.at(4) + 12288), StatusCode::unaligned_write);
    ASSERT_EQ(explained.sink.told.size(), 1U);
    const auto& told = explained.sink.told[0];
    EXPECT_EQ(told.operation, Operation::write);
    EXPECT_EQ(told.offset, explained.at(4) + 12288);
    EXPECT_EQ(told.length, 4096U);
    EXPECT_EQ(told.status.code, StatusCode::unaligned_write);
    ASSERT_TRUE(told.zone);
    EXPECT_EQ(told.zone->start, explained.at(4));
    EXPECT_EQ(told.zone->state, ZoneState::implicit_open);
    EXPECT_EQ(told.zone->write_pointer, explained.at(4) + 4096);
}

TEST(Explain, TheZoneIsAskedForBeforeAnybodyKnows) {
    Explained explained;
    const auto data = pattern(1, 4096);
    const iovec piece{const_cast<std::uint8_t*>(data.data()), data.size()};
    explained.driver->submit({.tag = 5,
                              .operation = Operation::write,
                              .offset = explained.at(4) + 4096,
                              .length = 4096,
                              .data = {&piece, 1},
                              .zones = {}});
    std::array<Completion, 4> done;
    // The write has ended below; what comes out waits for the report.
    auto& queue = explained.driver->queue();
    EXPECT_EQ(queue.reap(done), 0U);
    EXPECT_EQ(explained.disk->taken.back().operation, Operation::report);
    EXPECT_TRUE(explained.loop.ready()) << "the loop must not sleep on it";
    ASSERT_EQ(queue.reap(done), 1U);
    EXPECT_EQ(done[0].tag, 5U);
    EXPECT_EQ(done[0].status.code, StatusCode::unaligned_write);
}

TEST(Explain, WhatTheCheckRefusesIsToldAsWell) {
    Explained explained;
    Bytes into(100);
    EXPECT_EQ(explained.driver->try_read(0, into).code, StatusCode::misaligned);
    EXPECT_EQ(explained.write(explained.at(5) - 4096, 8192), StatusCode::crosses_boundary);
    EXPECT_EQ(explained.driver->act(Operation::reset, 0, 64 << 10).status.code,
              StatusCode::not_sequential);
    EXPECT_EQ(explained.write(std::uint64_t{1} << 40), StatusCode::out_of_range);
    ASSERT_EQ(explained.sink.told.size(), 4U);
    EXPECT_FALSE(explained.sink.told[0].zone) << "no zone has to do with that";
    ASSERT_TRUE(explained.sink.told[1].zone);
    EXPECT_EQ(explained.sink.told[1].zone->start, explained.at(4));
    ASSERT_TRUE(explained.sink.told[2].zone);
    EXPECT_EQ(explained.sink.told[2].zone->type, ZoneType::conventional);
    EXPECT_EQ(explained.sink.told[2].operation, Operation::reset);
    EXPECT_FALSE(explained.sink.told[3].zone) << "there is none";
}

TEST(Explain, ASinkThatHasEnoughIsNotGivenZones) {
    Explained explained;
    explained.sink.wanted = false;
    EXPECT_EQ(explained.write(explained.at(4) + 4096), StatusCode::unaligned_write);
    ASSERT_EQ(explained.sink.told.size(), 1U) << "it counts";
    EXPECT_FALSE(explained.sink.told[0].zone);
    EXPECT_EQ(explained.disk->taken.size(), 1U);
}

TEST(Explain, OfARangeTheZoneThatItFailedForIsShown) {
    Explained explained;
    explained.disk->broken[7] = ZoneState::offline;
    EXPECT_EQ(explained.driver->act(Operation::open, explained.at(5), 4 * (64 << 10)).status.code,
              StatusCode::zone_offline);
    ASSERT_EQ(explained.sink.told.size(), 1U);
    EXPECT_EQ(explained.sink.told[0].zone->start, explained.at(7));
    EXPECT_EQ(explained.sink.told[0].zone->state, ZoneState::offline);

    Bytes into(8192);
    EXPECT_EQ(explained.driver->try_read(explained.at(7) - 4096, into).code,
              StatusCode::zone_offline);
    ASSERT_EQ(explained.sink.told.size(), 2U);
    EXPECT_EQ(explained.sink.told[1].zone->start, explained.at(7));
}

TEST(Explain, ManyAtOnceAllEndAndAllAreTold) {
    Explained explained;
    const auto data = pattern(1, 4096);
    const iovec piece{const_cast<std::uint8_t*>(data.data()), data.size()};
    std::vector<Request> requests;
    for (std::uint64_t i = 0; i < 100; ++i)
        requests.push_back({.operation = Operation::write,
                            .offset = explained.at(2) + (i + 1) * 4096 % 32768 + 4096,
                            .length = 4096,
                            .data = {&piece, 1},
                            .zones = {}});
    for (const auto most : {std::size_t{1}, std::size_t{16}}) {
        explained.disk->take_at_most = most;
        explained.sink.told.clear();
        for (const auto& done : explained.driver->run(requests))
            EXPECT_EQ(done.status.code, StatusCode::unaligned_write);
        EXPECT_EQ(explained.sink.told.size(), requests.size());
    }
}

TEST(Explain, AReportThatFailsLeavesTheRefusalWithoutAZone) {
    Explained explained;
    const auto data = pattern(1, 4096);
    const iovec piece{const_cast<std::uint8_t*>(data.data()), data.size()};
    explained.driver->submit({.operation = Operation::write,
                              .offset = explained.at(4) + 4096,
                              .length = 4096,
                              .data = {&piece, 1},
                              .zones = {}});
    explained.disk->fail_next = StatusCode::io_error;
    EXPECT_EQ(explained.driver->drain(1)[0].status.code, StatusCode::unaligned_write);
    ASSERT_EQ(explained.sink.told.size(), 1U);
    EXPECT_FALSE(explained.sink.told[0].zone);
}

TEST(Explain, NothingIsAllocatedOnTheWay) {
    Explained explained;
    explained.disk->taken.reserve(1000);
    const auto data = pattern(1, 4096);
    const iovec piece{const_cast<std::uint8_t*>(data.data()), data.size()};
    const Request request{.operation = Operation::write,
                          .offset = explained.at(4) + 4096,
                          .length = 4096,
                          .data = {&piece, 1},
                          .zones = {}};
    auto& queue = explained.driver->queue();
    std::array<Completion, 4> done;
    const auto before = allocations();
    for (int i = 0; i < 100; ++i) {
        ASSERT_EQ(queue.submit({&request, 1}), 1U);
        while (queue.reap(done) == 0) continue;
    }
    EXPECT_EQ(allocations(), before);
    EXPECT_EQ(explained.sink.told.size(), 100U);
}

}  // namespace
}  // namespace zonebridge::test
