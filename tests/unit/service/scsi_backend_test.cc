// A virtio-scsi device on several workers: functions, queues that stop and memory that changes while
// commands are in flight.
#include "tests/unit/service/scsi_on_workers.h"

namespace zonebridge::service {
namespace {

INSTANTIATE_TEST_SUITE_P(Workers, ScsiOnWorkers, ::testing::Values(1U, 2U, 4U),
                         [](const auto& info) { return std::to_string(info.param); });

TEST_P(ScsiOnWorkers, AFunctionWaitsForCommandsOnEveryWorker) {
    for (std::uint16_t queue = 2; queue < all_queues; ++queue) (void)send(queue);
    const auto reset = manage(TaskFunction::logical_unit_reset);
    wait_until_waiting(unit, request_queues);
    for (std::size_t left = request_queues; left > 0; --left) {
        EXPECT_EQ(unit.reset_count(), 0U);
        EXPECT_EQ(response(reset), static_cast<Response>(0xEE));
        unit.complete(0);
    }
    wait(0);
    EXPECT_EQ(response(reset), Response::ok);
    EXPECT_EQ(unit.reset_count(), 1U);
    for (std::uint16_t queue = 2; queue < all_queues; ++queue)
        EXPECT_TRUE(queues[queue]->ring.take_used()) << "completed before the function";
}

TEST_P(ScsiOnWorkers, AQueryFindsACommandOnAnyWorker) {
    for (std::uint16_t queue = 2; queue < all_queues; ++queue) {
        (void)send(queue, test_unit_ready, 0, 77);
        const auto there = manage(TaskFunction::query_task, 0, 77);
        wait(0);
        EXPECT_EQ(response(there), Response::function_succeeded) << queue;
        wait_until_waiting(unit, 1);
        unit.complete_all();
        wait(queue);
        const auto gone = manage(TaskFunction::query_task, 0, 77);
        wait(0);
        EXPECT_EQ(response(gone), Response::ok) << queue;
    }
}

TEST_P(ScsiOnWorkers, QueuesMayStopInAnyOrderWithFunctionsInFlight) {
    for (int round = 0; round < 12; ++round) {
        std::vector<Block> functions;
        for (std::uint16_t queue = 2; queue < all_queues; ++queue) {
            (void)send(queue, test_unit_ready, 0, queue);
            functions.push_back(manage(TaskFunction::abort_task, 0, queue));
        }
        functions.push_back(manage(TaskFunction::logical_unit_reset));
        completing([&] {
            for (std::uint16_t i = 0; i < all_queues; ++i)
                stop(round % 2 == 0 ? i : static_cast<std::uint16_t>(all_queues - 1 - i));
        });
        // Commands that were not taken before are taken when the queues start again.
        for (std::uint16_t i = 0; i < all_queues; ++i) start(i);
        completing([&] {
            for (std::size_t i = 0; i < functions.size(); ++i) wait(0);
            for (std::uint16_t queue = 2; queue < all_queues; ++queue) wait(queue);
        });
        for (const auto& function : functions) EXPECT_EQ(response(function), Response::ok);
    }
}

TEST_P(ScsiOnWorkers, MemoryMayChangeWithFunctionsInFlight) {
    for (int round = 0; round < 12; ++round) {
        for (std::uint16_t queue = 2; queue < all_queues; ++queue) (void)send(queue);
        const auto function = manage(TaskFunction::abort_task_set);
        for (std::uint16_t queue = 2; queue < all_queues; ++queue) (void)send(queue);
        const auto reset = manage(TaskFunction::i_t_nexus_reset);
        completing([&] {
            if (round % 2 == 0)
                must(backend->set_memory(table({&memory, &more}), later()));
            else
                must(backend->set_memory(table({&memory}), later()));
        });
        completing([&] {
            for (int i = 0; i < 2; ++i) wait(0);
            for (std::uint16_t queue = 2; queue < all_queues; ++queue)
                for (int i = 0; i < 2; ++i) wait(queue);
        });
        EXPECT_EQ(response(function), Response::ok);
        EXPECT_EQ(response(reset), Response::ok);
    }
    EXPECT_EQ(unit.reset_count(), 12U);
}

TEST_P(ScsiOnWorkers, ADiskThatHangsEndsTheSessionAndTheNextOneWaits) {
    const auto soon = [] {
        return std::chrono::steady_clock::now() + std::chrono::milliseconds{5};
    };
    (void)send(2);
    wait_until_waiting(unit, 1);
    const auto stopped = backend->stop_queue(2, soon());
    ASSERT_FALSE(stopped);
    EXPECT_NE(stopped.error().find("1 of its requests"), std::string::npos) << stopped.error();
    for (std::uint16_t i = 0; i < all_queues; ++i)
        if (i != 2) stop(i);
    EXPECT_FALSE(backend->set_memory(virtio::GuestMemory::none(), soon()));
    backend->reset(virtio::ResetCause::session_end);

    // The next session.
    const auto refused = backend->set_features(features);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().find("still holds 1 requests"), std::string::npos) << refused.error();
    EXPECT_FALSE(backend->set_memory(table({&memory}), later()));
    EXPECT_FALSE(backend->start_queue(2, setup(*queues[2], features)));

    unit.complete_all();
    const auto end = later();
    while (!backend->set_features(features) && std::chrono::steady_clock::now() < end)
        std::this_thread::yield();
    EXPECT_EQ(queues[2]->ring.used_index(), 0U) << "the ring's memory may have another use by now";
    running[2] = false;
    start_all();
    (void)send(2);
    completing([&] { wait(2); });
}

TEST_P(ScsiOnWorkers, AQueueThatDidNotStopInTimeCanBeStoppedLater) {
    (void)send(2);
    wait_until_waiting(unit, 1);
    EXPECT_FALSE(backend->stop_queue(2, std::chrono::steady_clock::now()));
    unit.complete_all();
    stop(2);
    EXPECT_EQ(bases[2], 1U);
    start(2);
}

TEST_P(ScsiOnWorkers, AFaultOfTheDriverDelaysNoFunction) {
    for (std::uint16_t queue = 2; queue < all_queues; ++queue) (void)send(queue);
    wait_until_waiting(unit, request_queues);
    const auto function = manage(TaskFunction::abort_task_set);
    // The device asks for the next kick once it has taken the function.
    const auto& control = queues[0]->ring;
    while (control.available_event() != control.available_index()) std::this_thread::yield();
    ASSERT_TRUE(queues[5]->ring.add(std::array{driver::Buffer{0xDEAD0000, 512, false}}));
    queues[5]->submit();
    EXPECT_TRUE(queues[5]->wait_error());
    completing([&] {
        for (std::uint16_t i = 0; i < all_queues; ++i)
            if (i != 5) stop(i);
        (void)backend->stop_queue(5, later());
        running[5] = false;
    });
    EXPECT_EQ(bases[0], 1U);
    EXPECT_EQ(response(function), Response::ok);
    backend->reset(virtio::ResetCause::session_end);
}

}  // namespace
}  // namespace zonebridge::service
