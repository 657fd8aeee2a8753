// The task queue's contract: submit takes a prefix, every task completes once, no task is lost when
// the disk is busy, and writes keep their order.

#include <set>

#include "base/size.h"
#include "tests/unit/zbc/initiator.h"
#include "tests/unit/zone/support.h"

namespace zonebridge::zbc::test {
namespace {

/// Sequential writes of 4 KiB into zone 4, each with its own payload and tag.
struct Batch {
    explicit Batch(Initiator& initiator, std::size_t count) : data(count, Bytes(4 * KiB)) {
        for (std::size_t i = 0; i < count; ++i) {
            data[i].assign(4 * KiB, static_cast<std::uint8_t>(i + 1));
            buffers.push_back({data[i].data(), data[i].size()});
            cdbs.push_back(encode_write_16(initiator.lba(4, i * 4 * KiB), 8, false));
        }
        for (std::size_t i = 0; i < count; ++i) tasks.push_back({i, cdbs[i], {&buffers[i], 1}, {}});
    }
    std::vector<Bytes> data;
    std::vector<iovec> buffers;
    std::vector<Cdb> cdbs;
    std::vector<Task> tasks;
};

TEST(TargetQueue, SubmitTakesAPrefixUntilTheQueueIsFull) {
    Initiator initiator;
    const Batch batch(initiator, 12);
    EXPECT_EQ(initiator.queue->submit(batch.tasks), 8u);
    EXPECT_EQ(initiator.queue->submit(std::span(batch.tasks).subspan(8)), 0u);
    std::array<TaskResult, 20> results;
    EXPECT_EQ(initiator.queue->reap(std::span(results).first(3)), 3u);
    EXPECT_TRUE(initiator.loop.ready()) << "more results can be reaped";
    EXPECT_EQ(initiator.queue->submit(std::span(batch.tasks).subspan(8)), 3u);
    EXPECT_EQ(initiator.queue->reap(results), 8u);
    EXPECT_EQ(initiator.queue->reap(results), 0u);
}

TEST(TargetQueue, CommandsWithoutIoCompleteThroughReap) {
    Initiator initiator;
    (void)initiator.loop.turn(Loop::Wait::poll);
    const auto cdb = hex("00*6");
    const Task task{77, cdb, {}, {}};
    ASSERT_EQ(initiator.queue->submit({&task, 1}), 1u);
    EXPECT_TRUE(initiator.loop.ready());
    TaskResult result;
    EXPECT_EQ(initiator.queue->reap({}), 0u);
    ASSERT_EQ(initiator.queue->reap({&result, 1}), 1u);
    EXPECT_EQ(result.tag, 77u);
    EXPECT_EQ(initiator.queue->reap({&result, 1}), 0u);
}

TEST(TargetQueue, ABusyDiskLosesNothingAndKeepsTheOrderOfWrites) {
    for (const std::size_t at_most : {1u, 2u, 3u, 5u}) {
        Initiator initiator;
        const Batch batch(initiator, 8);
        initiator.disk.take_at_most = 0;
        ASSERT_EQ(initiator.queue->submit(std::span(batch.tasks).first(5)), 5u);
        EXPECT_TRUE(initiator.disk.taken.empty());
        EXPECT_TRUE(initiator.loop.ready()) << "nothing else would wake this thread";
        initiator.disk.take_at_most = at_most;
        ASSERT_EQ(initiator.queue->submit(std::span(batch.tasks).subspan(5)), 3u);
        std::set<std::uint64_t> tags;
        for (int i = 0; i < 8; ++i) {
            const auto result = initiator.wait();
            EXPECT_EQ(result.status, ScsiStatus::good);
            tags.insert(result.tag);
        }
        EXPECT_EQ(tags.size(), 8u);
        for (std::size_t i = 1; i < initiator.disk.taken.size(); ++i)
            EXPECT_GT(initiator.disk.taken[i].offset, initiator.disk.taken[i - 1].offset);
        EXPECT_EQ(initiator.read(4, 28 * KiB, 4 * KiB).data, Bytes(4 * KiB, 8));
    }
}

TEST(TargetQueue, CompletionsInAnyOrderHaveTheTagsOfTheirTasks) {
    Initiator initiator;
    initiator.disk.reverse = true;
    initiator.disk.hold = true;
    const Batch batch(initiator, 8);
    ASSERT_EQ(initiator.queue->submit(batch.tasks), 8u);
    std::array<TaskResult, 8> results;
    EXPECT_EQ(initiator.queue->reap(results), 0u);
    initiator.disk.hold = false;
    ASSERT_EQ(initiator.queue->reap(results), 8u);
    for (std::size_t i = 0; i < 8; ++i) EXPECT_EQ(results[i].tag, 7 - i);
}

TEST(TargetQueue, AReusedSlotKeepsNothingOfItsLastTask) {
    Initiator initiator({}, {}, 1);
    EXPECT_EQ(initiator.run(encode_read_16(0, 8), 4 * KiB).result.data_in_length, 4 * KiB);
    const auto refused = initiator.run(hex("42 00*9"));
    EXPECT_EQ(refused.result.data_in_length, 0u);
    const auto ready = initiator.run(hex("00*6"));
    EXPECT_EQ(ready.result.sense_length, 0);
    EXPECT_EQ(ready.words(), "good");
    EXPECT_EQ(initiator.run(encode_read_16(0, 8), 1).words(), "overrun");
    EXPECT_EQ(initiator.run(hex("00*6")).words(), "good");
}

TEST(TargetQueue, AnOpenQueueAllocatesNothing) {
    Initiator initiator({.fua = Support::absent});
    initiator.disk.taken.reserve(1000);
    const std::vector<Bytes> cdbs = {hex("00*6"),
                                     hex("12 01 b6 00 40 00"),
                                     hex("1a 08 3f 00 ff 00"),
                                     hex("42 00*9"),
                                     hex("a3 0c 80 00 00 00 00 00 04 00 00 00"),
                                     hex("88 00 00*8 00 00 00 08 00 00"),
                                     hex("8a 08 00*6 02 00 00 00 00 08 00 00"),
                                     hex("95 00 00*8 00 00 04 00 01 00"),
                                     hex("94 02 00*6 02 80 00 00 00 04 00 00"),
                                     hex("91 00*15")};
    Bytes in(8 * KiB);
    Bytes out(8 * KiB);
    const iovec in_buffer{in.data(), in.size()};
    const iovec out_buffer{out.data(), out.size()};
    std::vector<Task> tasks;
    for (const auto& cdb : cdbs) tasks.push_back({0, cdb, {&out_buffer, 1}, {&in_buffer, 1}});
    std::size_t ended = 0;
    unsigned good = 0;
    const auto before = zonebridge::test::allocations();
    for (std::span<const Task> rest = tasks; ended < tasks.size();) {
        rest = rest.subspan(initiator.queue->submit(rest));
        TaskResult result;
        while (initiator.queue->reap({&result, 1}) == 1) {
            ++ended;
            if (result.status == ScsiStatus::good && result.delivery == Delivery::done) ++good;
        }
    }
    EXPECT_EQ(zonebridge::test::allocations(), before);
    EXPECT_EQ(good, tasks.size() - 1) << "all but the unknown command";
}

TEST(TargetQueue, ClosesWithTasksInFlight) {
    Initiator initiator;
    initiator.disk.hold = true;
    const Batch batch(initiator, 6);
    ASSERT_EQ(initiator.queue->submit(batch.tasks), 6u);
    initiator.queue.reset();
    EXPECT_EQ(initiator.disk.taken.size(), 6u) << "the disk had all of them";
    initiator.disk.hold = false;
    // The closed queue blocks no later command to the zone.
    initiator.queue = std::move(initiator.target->open_queue(initiator.loop, 8).value());
    EXPECT_EQ(initiator.write(4, 24 * KiB, 4 * KiB, 7).words(), "good");
    for (std::size_t i = 0; i < 7; ++i)
        EXPECT_EQ(initiator.read(4, i * 4 * KiB, 4 * KiB).data,
                  Bytes(4 * KiB, static_cast<std::uint8_t>(i + 1)));
}

TEST(TargetQueue, QueuesOfATargetShareTheUnitState) {
    Initiator initiator;
    auto second = std::move(initiator.target->open_queue(initiator.loop, 2).value());
    std::swap(initiator.queue, second);
    EXPECT_EQ(initiator.run(hex("00*6")).words(), "good")
        << "the attention was taken on the other queue";
}

}  // namespace
}  // namespace zonebridge::zbc::test
