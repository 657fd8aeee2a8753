// Requests to a disk by blocking commands, over the project's own ZBC target.

#include "transports/scsi/queue.h"

#include <map>
#include <numeric>
#include <thread>

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/size.h"
#include "tests/unit/transports/scsi/target_port.h"
#include "transports/scsi/discover.h"

namespace zonebridge::scsi::test {
namespace {

using zonebridge::test::HandLoop;
using zonebridge::test::MachineDisk;
using zonebridge::test::MachineDiskShape;

class ScsiQueueTest : public testing::Test {
  public:
    void start(const MachineDiskShape& shape = {}) {
        memory_ = std::make_unique<MachineDisk>(shape);
        port_ = std::make_unique<TargetPort>(*memory_);
        disk_ = std::move(
            discover(*port_, "d", {.host_max_transfer = 1 << 20, .max_segments = 64}).value());
        Ports ports;
        ports.control = std::make_unique<BorrowedPort>(*port_);
        ports.data = std::make_unique<BorrowedPort>(*port_);
        queue_ = std::move(
            ScsiQueue::open(loop_, disk_.limits, *disk_.dialect, std::move(ports), 16).value());
        port_->sent.clear();
        memory_->taken.clear();
    }
    void TearDown() override { queue_.reset(); }

    Completion run(const Request& request) {
        EXPECT_EQ(queue_->submit({&request, 1}), 1u);
        Completion completion;
        while (queue_->reap({&completion, 1}) == 0) turn();
        return completion;
    }
    void turn() {
        EXPECT_TRUE(loop_.turn(Loop::Wait::poll));
        std::this_thread::yield();
    }
    Completion read(std::uint64_t offset, Bytes& data) {
        const iovec buffer{data.data(), data.size()};
        return run({.operation = Operation::read,
                    .offset = offset,
                    .length = data.size(),
                    .data = {&buffer, 1}});
    }
    Completion write(std::uint64_t offset, Bytes data, bool fua = false) {
        const iovec buffer{data.data(), data.size()};
        return run({.operation = Operation::write,
                    .fua = fua,
                    .offset = offset,
                    .length = data.size(),
                    .data = {&buffer, 1}});
    }
    Completion act(Operation operation, std::uint32_t first, std::uint32_t count) {
        const auto size = disk_.limits.layout.zone_size();
        return run({.operation = operation, .offset = first * size, .length = count * size});
    }
    std::uint64_t zone(std::uint32_t number) const { return disk_.limits.layout.start_of(number); }

    HandLoop loop_;
    std::unique_ptr<MachineDisk> memory_;
    std::unique_ptr<TargetPort> port_;
    DiskFacts disk_;
    std::unique_ptr<Queue> queue_;
};

TEST_F(ScsiQueueTest, ScatteredDataIsWrittenAndReadBack) {
    start();
    Bytes out(16 * KiB);
    std::iota(out.begin(), out.end(), std::uint8_t{1});
    const iovec pieces[] = {{out.data(), 100}, {out.data() + 100, 8092}, {out.data() + 8192, 8192}};
    EXPECT_TRUE(run({.operation = Operation::write,
                     .fua = true,
                     .offset = zone(3),
                     .length = out.size(),
                     .data = pieces})
                    .status.ok());
    EXPECT_TRUE(memory_->taken.back().fua);
    Bytes in(out.size());
    EXPECT_TRUE(read(zone(3), in).status.ok());
    EXPECT_EQ(in, out);
    EXPECT_TRUE(run({.operation = Operation::flush}).status.ok());
    EXPECT_EQ(port_->count(0x91), 1u);
}

TEST_F(ScsiQueueTest, RefusalsComeWithTheirSense) {
    MachineDiskShape shape;
    shape.max_open = 1;
    start(shape);
    EXPECT_EQ(write(zone(3) + 4 * KiB, Bytes(4 * KiB)).status,
              (Status{StatusCode::unaligned_write, {NativeCause::Source::scsi_sense, 0x52104}}));
    EXPECT_EQ(act(Operation::open, 4, 1).status.code, StatusCode::ok);
    EXPECT_EQ(act(Operation::open, 5, 1).status.code, StatusCode::too_many_open);
    memory_->broken[6] = ZoneState::offline;
    Bytes data(4 * KiB);
    EXPECT_EQ(read(zone(6), data).status.code, StatusCode::zone_offline);
}

TEST_F(ScsiQueueTest, ActionsGoZoneByZoneAndStopAtTheFirstFailure) {
    MachineDiskShape shape;
    shape.max_open = 2;
    start(shape);
    const auto opened = act(Operation::open, 4, 4);
    EXPECT_EQ(opened.status.code, StatusCode::too_many_open);
    EXPECT_EQ(opened.result, 2u);
    EXPECT_EQ(port_->count(0x94), 3u);
    EXPECT_EQ(act(Operation::finish, 4, 3).result, 3u);
    port_->sent.clear();
    EXPECT_TRUE(run({.operation = Operation::reset, .scope = Scope::all}).status.ok());
    EXPECT_EQ(port_->count(0x94), 1u) << "by the ALL bit";
}

TEST_F(ScsiQueueTest, ReportsBeginAnywhereAndCountGapsToTheirZones) {
    MachineDiskShape shape;
    shape.zone_capacity = 48 * KiB;
    start(shape);
    EXPECT_TRUE(write(zone(3), Bytes(8 * KiB)).status.ok());
    std::vector<Zone> zones(4);
    // The report begins in the gap of zone 3.
    const auto reported =
        run({.operation = Operation::report, .offset = zone(3) + 50 * KiB, .zones = zones});
    EXPECT_TRUE(reported.status.ok());
    EXPECT_EQ(reported.result, 4u);
    EXPECT_EQ(zones[0].start, zone(3));
    EXPECT_EQ(zones[0].length, 64 * KiB);
    EXPECT_EQ(zones[0].capacity, 48 * KiB);
    EXPECT_EQ(zones[0].write_pointer, zone(3) + 8 * KiB);
    EXPECT_EQ(zones[3].start, zone(6));
    std::vector<Zone> rest(10);
    EXPECT_EQ(run({.operation = Operation::report, .offset = zone(14), .zones = rest}).result, 2u);
    EXPECT_EQ(rest[1].length, 64 * KiB) << "the gap of the last zone counts too";
}

TEST_F(ScsiQueueTest, AReportThatChangesTheGeometryIsAnError) {
    start();
    port_->tamper = [](const Command& command, std::span<std::uint8_t> bytes) {
        if (command.cdb[0] == 0x95) ByteWriter(bytes).be64(64 + 8, 64);
    };
    std::vector<Zone> zones(1);
    EXPECT_EQ(run({.operation = Operation::report, .offset = zone(3), .zones = zones}).status.code,
              StatusCode::io_error);
}

TEST_F(ScsiQueueTest, ReadsOverGapsAndZonesOfAnotherTypeAreSplit) {
    MachineDiskShape shape;
    shape.zone_capacity = 48 * KiB;
    shape.max_transfer = 256 * KiB;
    start(shape);
    for (const std::uint32_t number : {0, 1, 2, 3})
        EXPECT_TRUE(write(zone(number), Bytes(40 * KiB, static_cast<std::uint8_t>(number + 1)))
                        .status.ok());
    port_->sent.clear();
    // From the middle of conventional zone 1 into zone 3.
    Bytes data(32 * KiB + 64 * KiB + 16 * KiB, 0xEE);
    EXPECT_TRUE(read(zone(1) + 32 * KiB, data).status.ok());
    EXPECT_EQ(port_->count(0x88), 3u);
    EXPECT_EQ(data[0], 2);
    EXPECT_EQ(data[8 * KiB], 0) << "past the written data";
    EXPECT_EQ(data[32 * KiB], 3);
    EXPECT_EQ(data[32 * KiB + 48 * KiB], 0) << "the gap";
    EXPECT_EQ(data[32 * KiB + 64 * KiB], 4);
    port_->sent.clear();
    Bytes gap(4 * KiB, 0xEE);
    EXPECT_TRUE(read(zone(3) + 52 * KiB, gap).status.ok());
    EXPECT_EQ(gap, Bytes(4 * KiB));
    EXPECT_EQ(port_->count(0x88), 0u);
}

TEST_F(ScsiQueueTest, BusyDisksAndUnitAttentionsAreRetried) {
    start();
    port_->instead = {{0x88, {status_only(0x28), check_condition(6, 0x29, 0)}, false},
                      {0x94, {status_only(0x08)}, false}};
    Bytes data(4 * KiB);
    EXPECT_TRUE(read(0, data).status.ok());
    EXPECT_EQ(port_->count(0x88), 3u);
    EXPECT_TRUE(act(Operation::open, 4, 1).status.ok());
}

TEST_F(ScsiQueueTest, AZonedWriteIsRetriedOnlyIfItsZoneWasNotWritten) {
    start();
    port_->instead = {{0x8A, {check_condition(6, 0x29, 0), status_only(0x08)}, false}};
    EXPECT_TRUE(write(zone(3), Bytes(4 * KiB, 7)).status.ok());
    EXPECT_EQ(port_->count(0x8A), 3u);
    EXPECT_EQ(port_->count(0x95), 2u) << "a report before each retry";

    // A disk that wrote the data but reports a failure.
    port_->sent.clear();
    port_->instead = {{0x8A, {check_condition(6, 0x29, 0)}, true}};
    EXPECT_EQ(write(zone(4), Bytes(4 * KiB, 7)).status,
              (Status{StatusCode::io_error, {NativeCause::Source::scsi_sense, 0x62900}}));
    EXPECT_EQ(port_->count(0x8A), 1u);
}

TEST_F(ScsiQueueTest, AZonedWriteWithAnUnknownResultIsNeverRetried) {
    start();
    Answer disturbed;
    disturbed.host = 0x0E;
    port_->instead = {{0x8A, {disturbed}, false}};
    EXPECT_EQ(write(zone(3), Bytes(4 * KiB)).status.code, StatusCode::io_error);
    EXPECT_EQ(port_->count(0x8A), 1u);
    // Reads are retried, because they change nothing.
    port_->instead = {{0x88, {disturbed}, false}};
    Bytes data(4 * KiB);
    EXPECT_TRUE(read(0, data).status.ok());
}

TEST_F(ScsiQueueTest, EveryRequestOfAFullQueueCompletesOnce) {
    start();
    std::vector<Bytes> data(64, Bytes(4 * KiB));
    std::vector<iovec> buffers;
    std::vector<Request> requests;
    for (std::size_t i = 0; i < data.size(); ++i) buffers.push_back({data[i].data(), 4 * KiB});
    for (std::size_t i = 0; i < data.size(); ++i)
        requests.push_back({.tag = i,
                            .operation = Operation::read,
                            .offset = i * 4 * KiB,
                            .length = 4 * KiB,
                            .data = {&buffers[i], 1}});
    std::map<std::uint64_t, int> ended;
    std::span<const Request> rest(requests);
    while (ended.size() < data.size()) {
        rest = rest.subspan(queue_->submit(rest));
        turn();
        std::array<Completion, 5> done;
        const auto count = queue_->reap(done);
        for (const auto& one : std::span(done).first(count)) {
            EXPECT_TRUE(one.status.ok());
            ++ended[one.tag];
        }
    }
    for (const auto& [tag, count] : ended) EXPECT_EQ(count, 1) << tag;
}

TEST_F(ScsiQueueTest, ClosingWithRequestsInFlightWaitsForThoseThatBegan) {
    start();
    Bytes data(32 * KiB);
    const iovec buffer{data.data(), data.size()};
    const Request request{
        .operation = Operation::read, .offset = 0, .length = data.size(), .data = {&buffer, 1}};
    for (int i = 0; i < 16; ++i) EXPECT_EQ(queue_->submit({&request, 1}), 1u);
    turn();
    queue_.reset();
    data = {};  // the sanitizers would see a later use of the buffer
}

}  // namespace
}  // namespace zonebridge::scsi::test
