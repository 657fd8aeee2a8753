// Reads and writes beyond what the disk transfers at once: which pieces reach the disk, and how the
// request ends.
#include "layers/split/split.h"

#include <array>
#include <memory>
#include <poll.h>
#include <random>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "layers/split/queue.h"
#include "tests/unit/support/driver.h"
#include "tests/unit/support/machine_disk.h"
#include "tests/unit/support/temporary.h"
#include "transports/emulated/emulated.h"
#include "transports/make_loop.h"
#include "transports/open.h"

namespace zonebridge::test {
namespace {

constexpr std::uint64_t zone_size = 1 << 20;
constexpr std::uint64_t most = 32 << 10;  // MachineDisk's transfer

struct Bench {
    explicit Bench(const MachineDiskShape& shape = {.zone_size = zone_size},
                   std::size_t depth = 16) {
        auto machine = std::make_unique<MachineDisk>(shape);
        disk = machine.get();
        top = split_long_requests(std::move(machine));
        loop = std::move(*make_loop());
        driver =
            std::make_unique<Driver>(std::move(*top->open_queue(*loop, {.depth = depth})), *loop);
    }
    std::uint64_t at(std::uint32_t zone) const { return disk->limits().layout.start_of(zone); }
    std::size_t writes() const {
        std::size_t count = 0;
        for (const auto& taken : disk->taken) count += taken.operation == Operation::write;
        return count;
    }
    /// Completions come again that disk->hold held back.
    void release() {
        disk->hold = false;
        loop->note_ready();
    }
    /// Submits a write whose data stay where they are.
    void submit(std::uint64_t tag, std::uint64_t offset, const Bytes& data) {
        buffers.push_back(
            std::make_unique<iovec>(iovec{const_cast<std::uint8_t*>(data.data()), data.size()}));
        driver->submit({.tag = tag,
                        .operation = Operation::write,
                        .offset = offset,
                        .length = data.size(),
                        .data = {buffers.back().get(), 1},
                        .zones = {}});
    }

    MachineDisk* disk = nullptr;
    std::unique_ptr<Transport> top;
    std::unique_ptr<Loop> loop;
    std::unique_ptr<Driver> driver;
    std::vector<std::unique_ptr<iovec>> buffers;
};

TEST(Split, ReadsAndWritesOfAnyLengthReachTheDiskInPiecesThatItTakes) {
    Bench bench;
    EXPECT_TRUE(bench.top->limits().any_length);
    EXPECT_EQ(bench.top->limits().max_transfer, most) << "what is transferred at once";
    for (const std::size_t length :
         {most, most + 4096, 3 * most, 10 * most + 4096, std::size_t{zone_size}}) {
        for (const auto zone : {std::uint32_t{0}, std::uint32_t{4}}) {
            const auto data = pattern(length, length);
            static_cast<void>(bench.driver->act_all(Operation::reset));
            bench.disk->taken.clear();
            ASSERT_TRUE(bench.driver->write(bench.at(zone), data).ok()) << length;
            EXPECT_EQ(bench.disk->taken.size(), (length + most - 1) / most);
            EXPECT_EQ(bench.driver->read(bench.at(zone), length), data);
            for (const auto& taken : bench.disk->taken) EXPECT_LE(taken.length, most);
        }
    }
}

TEST(Split, PiecesEndAtWholeBlocksWhateverTheBuffersAre) {
    Bench bench;
    const auto data = pattern(7, 6 * most);
    std::mt19937 random(3);
    for (int round = 0; round < 40; ++round) {
        static_cast<void>(bench.driver->act_all(Operation::reset));
        bench.disk->taken.clear();
        std::vector<iovec> buffers;
        for (std::size_t at = 0; at < data.size();) {
            const auto length =
                std::min<std::size_t>(270 + random() % (round % 2 ? 700 : 9000), data.size() - at);
            buffers.push_back({const_cast<std::uint8_t*>(data.data()) + at, length});
            at += length;
        }
        // A conventional zone takes logical blocks: the write need not begin at a physical block.
        const auto offset = round % 4 < 2 ? bench.at(4) : 512;
        const auto done = bench.driver->run(Request{.operation = Operation::write,
                                                    .offset = offset,
                                                    .length = data.size(),
                                                    .data = buffers,
                                                    .zones = {}});
        ASSERT_TRUE(done.status.ok()) << to_string(done.status.code);
        for (const auto& taken : bench.disk->taken) {
            EXPECT_LE(taken.segments, 16U);
            EXPECT_LE(taken.length, most);
        }
        Bytes found(data.size());
        std::size_t at = 0;
        for (auto& buffer : buffers) {
            buffer.iov_base = found.data() + at;
            at += buffer.iov_len;
        }
        ASSERT_TRUE(bench.driver
                        ->run(Request{.operation = Operation::read,
                                      .offset = offset,
                                      .length = data.size(),
                                      .data = buffers,
                                      .zones = {}})
                        .status.ok());
        EXPECT_EQ(found, data);
    }
}

TEST(Split, WhereAWritePointerIsInTheWayOnePieceIsInFlight) {
    for (const auto model : {Model::host_managed, Model::host_aware}) {
        Bench bench({.zone_size = zone_size, .model = model});
        const auto data = pattern(1, 20 * most);
        bench.disk->hold = true;
        bench.submit(1, bench.at(4), data);
        for (int turn = 0; turn < 5; ++turn) static_cast<void>(bench.loop->turn(Loop::Wait::poll));
        EXPECT_EQ(bench.writes(), 1U);
        bench.submit(2, bench.at(0), data);  // conventional
        for (int turn = 0; turn < 5; ++turn) static_cast<void>(bench.loop->turn(Loop::Wait::poll));
        EXPECT_EQ(bench.writes(), SplitQueue::most_pieces);
        bench.release();
        bench.disk->reverse = true;
        for (const auto& done : bench.driver->drain(2)) EXPECT_TRUE(done.status.ok());
        EXPECT_EQ(bench.driver->read(bench.at(4), data.size()), data);
        EXPECT_EQ(bench.driver->read(bench.at(0), data.size()), data);
    }
}

TEST(Split, LaterWritesToTheZoneWaitForALongOne) {
    Bench bench;
    bench.disk->reverse = true;
    const auto first = pattern(1, 5 * most);
    const auto second = pattern(2, 4096);
    const auto third = pattern(3, 4 * most);
    const auto fourth = pattern(4, 8192);
    const auto elsewhere = pattern(5, 4096);
    auto at = bench.at(4);
    std::uint64_t tag = 1;
    for (const auto* data : {&first, &second, &third, &fourth}) {
        bench.submit(tag++, at, *data);
        at += data->size();
    }
    bench.submit(tag, bench.at(6), elsewhere);
    for (const auto& done : bench.driver->drain(5))
        EXPECT_TRUE(done.status.ok()) << done.tag << ' ' << to_string(done.status.code);
    auto all = first;
    for (const auto* data : {&second, &third, &fourth})
        all.insert(all.end(), data->begin(), data->end());
    EXPECT_EQ(bench.driver->read(bench.at(4), all.size()), all);
}

TEST(Split, ZoneActionsWaitForALongWrite) {
    for (const auto scope : {Scope::zones, Scope::all}) {
        Bench bench;
        const auto data = pattern(1, 5 * most);
        bench.submit(1, bench.at(4), data);
        Request finish{
            .tag = 2, .operation = Operation::finish, .scope = scope, .data = {}, .zones = {}};
        if (scope == Scope::zones) finish.offset = bench.at(4), finish.length = zone_size;
        bench.driver->submit(finish);
        for (const auto& done : bench.driver->drain(2))
            EXPECT_TRUE(done.status.ok()) << done.tag << ' ' << to_string(done.status.code);
        EXPECT_EQ(bench.driver->read(bench.at(4), data.size()), data);
        EXPECT_EQ(bench.driver->report(1, bench.at(4))[0].state, ZoneState::full);
    }
}

/// A program that sleeps in poll(2) on the loop's descriptor is woken for what waited, too.
TEST(Split, AWriteThatWaitedWakesALoopThatIsPolled) {
    const TemporaryFolder folder;
    emulated::Shape shape;
    shape.size = 64 << 20;
    shape.zone_size = 32 << 20;
    ASSERT_TRUE(emulated::create(folder / "disk", shape));
    const auto disk = std::move(*open_device(folder / "disk", {.writable = true}));
    const auto loop = std::move(*make_loop(Loop::Use::polled));
    auto queue = std::move(*disk->open_queue(*loop, {.depth = 4}));
    const auto longer = disk->limits().max_transfer + (1 << 20);
    Bytes data(longer + 4096);
    const std::array buffers{iovec{data.data(), longer}, iovec{data.data() + longer, 4096}};
    std::array<Request, 2> writes;
    for (std::size_t i = 0; i < writes.size(); ++i) {
        writes[i].tag = i;
        writes[i].operation = Operation::write;
        writes[i].offset = i == 0 ? 0 : longer;
        writes[i].length = buffers[i].iov_len;
        writes[i].data = std::span(buffers).subspan(i, 1);
    }
    ASSERT_EQ(queue->submit(writes), writes.size());
    for (std::size_t done = 0; done < writes.size();) {
        pollfd ready{*loop->fd(), POLLIN, 0};
        ASSERT_EQ(::poll(&ready, 1, 20'000), 1) << "nothing wakes the program after " << done;
        ASSERT_TRUE(loop->turn(Loop::Wait::poll));
        std::array<Completion, 4> some;
        for (auto count = queue->reap(some); count != 0; count = queue->reap(some)) done += count;
    }
    queue.reset();
    EXPECT_TRUE(disk->close());
}

TEST(Split, AFailureInTheMiddleEndsTheRequestWithItsPlace) {
    Bench bench;
    const auto data = pattern(1, 8 * most);
    bench.disk->hold = true;
    bench.submit(1, bench.at(4), data);
    for (int turn = 0; turn < 5; ++turn) static_cast<void>(bench.loop->turn(Loop::Wait::poll));
    bench.disk->fail_next = StatusCode::media_error;  // the second piece
    bench.release();
    const auto done = bench.driver->drain(1).front();
    EXPECT_EQ(done.status.code, StatusCode::media_error);
    EXPECT_EQ(done.result, most);
    EXPECT_EQ(bench.writes(), 2U) << "no piece is sent after one that failed";
    EXPECT_EQ(*bench.driver->report(1, bench.at(4))[0].write_pointer, bench.at(4) + most);
    // The zone is free again.
    EXPECT_TRUE(bench.driver->write(bench.at(4) + most, data).ok());
}

TEST(Split, TheFirstFailureByPositionCounts) {
    Bench bench;
    bench.disk->broken[6] = ZoneState::offline;
    bench.disk->reverse = true;
    Bytes into(2 * zone_size);
    iovec buffer{into.data(), into.size()};
    const auto done = bench.driver->run(Request{.operation = Operation::read,
                                                .offset = bench.at(5) + most,
                                                .length = into.size(),
                                                .data = {&buffer, 1},
                                                .zones = {}});
    EXPECT_EQ(done.status.code, StatusCode::zone_offline);
    EXPECT_EQ(done.result, zone_size - most);
}

TEST(Split, AppendsAndBlocksInTooManyBuffersAreRefused) {
    Bench bench({.zone_size = zone_size, .append = Support::native});
    const auto data = pattern(1, 2 * most);
    EXPECT_EQ(bench.driver->append(bench.at(4), data).status.code, StatusCode::too_large);
    std::vector<iovec> buffers;
    for (std::size_t at = 0; at < 4096; at += 64)
        buffers.push_back({const_cast<std::uint8_t*>(data.data()) + at, 64});
    const auto done = bench.driver->run(Request{.operation = Operation::write,
                                                .offset = bench.at(4),
                                                .length = 4096,
                                                .data = buffers,
                                                .zones = {}});
    EXPECT_EQ(done.status.code, StatusCode::too_large);
    EXPECT_TRUE(bench.disk->taken.empty());
}

TEST(Split, AQueueOfDepthOneWorks) {
    Bench bench({.zone_size = zone_size}, 1);
    const auto data = pattern(1, 9 * most);
    EXPECT_TRUE(bench.driver->write(bench.at(4), data).ok());
    EXPECT_EQ(bench.driver->read(bench.at(4), data.size()), data);
}

TEST(Split, IsLeftOutIfTheDiskTakesAnyLength) {
    auto disk = split_long_requests(std::make_unique<MachineDisk>());
    const auto* const before = disk.get();
    EXPECT_EQ(split_long_requests(std::move(disk)).get(), before);
}

/// Many requests at once, long and short, end as they do on a disk that takes all of them whole.
TEST(Split, EndsAsOnADiskWithoutLimits) {
    std::mt19937 random(11);
    for (int round = 0; round < 60; ++round) {
        MachineDiskShape shape{.zones = 8, .zone_size = zone_size};
        Bench split(shape);
        shape.max_transfer = 1 << 30;
        shape.max_segments = 4096;
        Bench whole(shape);
        split.disk->take_at_most = 1 + random() % 8;
        split.disk->reverse = random() % 2 == 0;
        std::vector<Bytes> data;
        std::vector<std::pair<std::uint64_t, std::size_t>> places;
        std::vector<std::uint64_t> pointers(8, 0);
        for (int i = 0; i < 14; ++i) {
            const auto zone = static_cast<std::uint32_t>(random() % 8);
            const auto length = 4096 * (1 + random() % (i % 3 == 0 ? 4 : 60));
            data.push_back(pattern(random(), length));
            // Now and then not at the pointer.
            const auto wrong = random() % 10 == 0 ? 4096U : 0U;
            places.emplace_back(split.at(zone) + pointers[zone] + wrong, length);
            if (zone < 2 || pointers[zone] + wrong + length <= zone_size)
                pointers[zone] = wrong != 0 && zone >= 2 ? pointers[zone] : pointers[zone] + length;
            if (pointers[zone] > zone_size / 2 && zone < 2) pointers[zone] = 0;
        }
        std::vector<StatusCode> expected(data.size());
        std::vector<StatusCode> found(data.size());
        for (auto* bench : {&split, &whole}) {
            for (std::size_t i = 0; i < data.size(); ++i)
                bench->submit(i, places[i].first, data[i]);
            auto& codes = bench == &split ? found : expected;
            for (const auto& done : bench->driver->drain(data.size()))
                codes.at(static_cast<std::size_t>(done.tag)) = done.status.code;
        }
        EXPECT_EQ(found, expected) << "round " << round;
        EXPECT_EQ(split.driver->report(8), whole.driver->report(8)) << "round " << round;
        EXPECT_EQ(split.driver->read(split.at(2), 6 * zone_size),
                  whole.driver->read(whole.at(2), 6 * zone_size))
            << "round " << round;
    }
}

}  // namespace
}  // namespace zonebridge::test
