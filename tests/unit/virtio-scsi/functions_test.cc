// Task management with commands on two workers: which commands a function waits for, and that it
// always completes.

#include <ostream>
#include <string>
#include <tuple>

#include "tests/unit/virtio-scsi/two_workers.h"

namespace zonebridge::virtio_scsi {
namespace {

constexpr std::uint64_t target_id = 11;

enum class Affects { task, unit, everything };

struct Case {
    const char* name;
    TaskFunction function;
    Affects affects;
    std::size_t resets;
    friend void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }
};

constexpr std::array waiting_functions{
    Case{"AbortTask", TaskFunction::abort_task, Affects::task, 0},
    Case{"AbortTaskSet", TaskFunction::abort_task_set, Affects::unit, 0},
    Case{"ClearTaskSet", TaskFunction::clear_task_set, Affects::unit, 0},
    Case{"LogicalUnitReset", TaskFunction::logical_unit_reset, Affects::unit, 1},
    Case{"NexusReset", TaskFunction::i_t_nexus_reset, Affects::everything, 1},
};

/// A function, and the queue of the command in flight: queues 2 and 4 are on the worker of the
/// control queue, 3 and 5 on the other.
class Function : public TwoWorkers,
                 public testing::WithParamInterface<std::tuple<Case, std::uint16_t>> {
  protected:
    static const Case& what() { return std::get<0>(GetParam()); }
    static std::uint16_t queue() { return std::get<1>(GetParam()); }

    Sent manage() { return TwoWorkers::manage(what().function, unit_lun, target_id); }

    /// Sends the function; expects that it waits for the command in flight, or does not.
    void expect(bool waits, ScriptedUnit& with) {
        const auto function = manage();
        settle();
        if (waits) {
            EXPECT_FALSE(response(function));
            EXPECT_EQ(unit.resets, 0U);
            with.complete_all();
            settle();
        }
        EXPECT_EQ(response(function), Response::ok);
        EXPECT_EQ(unit.resets, what().resets);
        EXPECT_EQ(other.resets, what().affects == Affects::everything ? 1U : 0U);
        with.complete_all();
        settle();
        EXPECT_EQ(answered(queue()), 1U);
    }
};

TEST_P(Function, WaitsForACommandSentBeforeIt) {
    (void)send(queue(), unit_lun, target_id);
    expect(true, unit);
}

TEST_P(Function, WaitsForACommandThatIsStillInItsRing) {
    (void)add(queue(), unit_lun, target_id);
    expect(true, unit);
}

TEST_P(Function, WaitsForACommandThatTheUnitHasNotTaken) {
    unit.depth = 0;
    (void)send(queue(), unit_lun, target_id);
    const auto function = manage();
    settle();
    EXPECT_FALSE(response(function));
    unit.depth = 1;
    settle();
    EXPECT_EQ(unit.tasks.size(), 1U);
    EXPECT_FALSE(response(function));
    unit.complete(0);
    settle();
    EXPECT_EQ(response(function), Response::ok);
}

TEST_P(Function, WaitsForAnotherIdOnlyIfItAffectsTheWholeUnit) {
    (void)send(queue(), unit_lun, target_id + 1);
    expect(what().affects != Affects::task, unit);
}

TEST_P(Function, WaitsForAnotherUnitOnlyIfItAffectsAllUnits) {
    (void)send(queue(), other_lun, target_id);
    expect(what().affects == Affects::everything, other);
}

TEST_P(Function, DoesNotWaitForACommandSentAfterIt) {
    (void)send(queue(), unit_lun, target_id);
    const auto function = manage();
    settle();
    for (int i = 0; i < 2; ++i) (void)send(queue(), unit_lun, target_id);
    ASSERT_EQ(unit.tasks.size(), 3U);
    unit.complete(2);
    settle();
    EXPECT_FALSE(response(function)) << "the later command does not complete the function";
    EXPECT_EQ(answered(queue()), 1U);
    unit.complete(0);
    settle();
    EXPECT_EQ(response(function), Response::ok);
    unit.complete(0);
    settle();
    EXPECT_EQ(answered(queue()), 2U);
}

TEST_P(Function, CompletesOnlyAfterTheCommandsCompletionIsPublished) {
    (void)send(queue(), unit_lun, target_id);
    const auto function = manage();
    settle();
    unit.complete(0);
    for (int i = 0; i < 4; ++i) {
        for (std::size_t worker = 0; worker < workers; ++worker) {
            turn(worker);
            if (!response(function)) continue;
            EXPECT_EQ(answered(queue()), 1U);
            return;
        }
    }
    FAIL() << "the function did not complete";
}

TEST_P(Function, CompletesWhenItsUnitIsRemoved) {
    (void)send(queue(), unit_lun, target_id);
    unit.depth = 1;
    const auto refused = send(queue(), unit_lun, target_id);
    const auto function = manage();
    settle();
    int drained = 0;
    for (const auto& controller : controllers)
        controller->retire_unit(unit_lun, [&] { ++drained; });
    settle();
    EXPECT_EQ(drained, 1) << "only the worker without a command has drained";
    EXPECT_EQ(status(refused), 2);
    EXPECT_EQ(additional_code(refused), 0x25);
    EXPECT_FALSE(response(function));
    unit.complete(0);
    settle();
    EXPECT_EQ(drained, 2);
    EXPECT_EQ(response(function), Response::ok);
    EXPECT_EQ(unit.resets, 0U) << "a removed unit is not reset";
    for (const auto& controller : controllers) controller->forget_unit(unit_lun);
    EXPECT_EQ(unit.open_queues, 0);
    const auto late = TwoWorkers::manage(TaskFunction::abort_task_set, unit_lun);
    settle();
    EXPECT_EQ(response(late), Response::incorrect_lun);
}

TEST_P(Function, WaitsForACommandOfAUnitThatIsBeingRemoved) {
    (void)send(queue(), unit_lun, target_id);
    for (const auto& controller : controllers) controller->retire_unit(unit_lun, [] {});
    settle();
    const auto function = manage();
    settle();
    EXPECT_FALSE(response(function)) << "the disk may still touch the command's buffers";
    unit.complete(0);
    settle();
    EXPECT_EQ(answered(queue()), 1U);
    EXPECT_EQ(response(function), Response::ok);
    EXPECT_EQ(unit.resets, 0U) << "a removed unit is not reset";
    for (const auto& controller : controllers) controller->forget_unit(unit_lun);
}

TEST_P(Function, WaitsForACommandOnAWorkerThatStillHasItsUnit) {
    (void)send(queue(), unit_lun, target_id);
    // A removal reaches the workers one after the other; here, only the control queue's so far.
    worker_of(control_queue).retire_unit(unit_lun, [] {});
    const auto function = manage();
    settle();
    EXPECT_FALSE(response(function));
    unit.complete(0);
    settle();
    EXPECT_EQ(response(function), Response::ok);
    worker_of(control_queue).forget_unit(unit_lun);
}

TEST_P(Function, FindsNoUnitOnceTheRemovedUnitHasNoCommands) {
    (void)send(queue(), other_lun, target_id);
    for (const auto& controller : controllers) controller->retire_unit(unit_lun, [] {});
    const auto function = manage();
    settle();
    if (what().affects == Affects::everything) {
        EXPECT_FALSE(response(function));
        other.complete(0);
        settle();
        EXPECT_EQ(response(function), Response::ok);
        return;
    }
    EXPECT_EQ(response(function), Response::incorrect_lun);
}

INSTANTIATE_TEST_SUITE_P(All, Function,
                         testing::Combine(testing::ValuesIn(waiting_functions),
                                          testing::Values(2, 3, 4, 5)),
                         [](const auto& info) {
                             return std::string(std::get<0>(info.param).name) + "_queue_" +
                                    std::to_string(std::get<1>(info.param));
                         });

using Functions = TwoWorkers;

TEST_F(Functions, WaitForCommandsOfAllQueues) {
    for (std::uint16_t queue = first_request_queue; queue < queue_count; ++queue)
        (void)send(queue, unit_lun, queue);
    const auto function = manage(TaskFunction::logical_unit_reset);
    settle();
    while (!unit.tasks.empty()) {
        EXPECT_FALSE(response(function));
        unit.complete(unit.tasks.size() - 1);
        settle();
    }
    EXPECT_EQ(response(function), Response::ok);
    EXPECT_EQ(unit.resets, 1U);
}

TEST_F(Functions, QueriesFindCommandsOfBothWorkersAndWaitForNone) {
    for (const std::uint16_t queue : {2, 3}) {
        EXPECT_EQ(unit.tasks.size(), 0U);
        (void)add(queue, unit_lun, target_id);
        const auto ask = [&](TaskFunction function, std::uint16_t lun, std::uint64_t id) {
            const auto sent = manage(function, lun, id);
            settle();
            return response(sent);
        };
        EXPECT_EQ(ask(TaskFunction::query_task, unit_lun, target_id), Response::function_succeeded);
        EXPECT_EQ(ask(TaskFunction::query_task, unit_lun, target_id + 1), Response::ok);
        EXPECT_EQ(ask(TaskFunction::query_task, other_lun, target_id), Response::ok);
        EXPECT_EQ(ask(TaskFunction::query_task_set, unit_lun, 0), Response::function_succeeded);
        EXPECT_EQ(ask(TaskFunction::query_task_set, other_lun, 0), Response::ok);
        unit.complete_all();
        settle();
        EXPECT_EQ(ask(TaskFunction::query_task, unit_lun, target_id), Response::ok);
        EXPECT_EQ(ask(TaskFunction::query_task_set, unit_lun, 0), Response::ok);
    }
}

TEST_F(Functions, QueriesFindCommandsOfAUnitThatIsBeingRemoved) {
    for (const std::uint16_t queue : {2, 3}) (void)send(queue, unit_lun, queue);
    for (const auto& controller : controllers) controller->retire_unit(unit_lun, [] {});
    const auto ask = [&](TaskFunction function, std::uint64_t id) {
        const auto sent = manage(function, unit_lun, id);
        settle();
        return response(sent);
    };
    for (const std::uint64_t id : {2U, 3U})
        EXPECT_EQ(ask(TaskFunction::query_task, id), Response::function_succeeded);
    EXPECT_EQ(ask(TaskFunction::query_task, 4), Response::incorrect_lun);
    EXPECT_EQ(ask(TaskFunction::query_task_set, 0), Response::function_succeeded);
    unit.complete_all();
    settle();
    EXPECT_EQ(ask(TaskFunction::query_task, 2), Response::incorrect_lun);
    EXPECT_EQ(ask(TaskFunction::query_task_set, 0), Response::incorrect_lun);
}

TEST_F(Functions, AFullControlQueueOfFunctionsCompletes) {
    for (std::uint16_t queue = first_request_queue; queue < queue_count; ++queue)
        for (std::uint64_t id = 0; id < 16; ++id) (void)send(queue, unit_lun, id);
    std::vector<Sent> functions;
    for (std::uint64_t i = 0; i < 32; ++i)
        functions.push_back(manage(waiting_functions.at(i % 5).function, unit_lun, i % 16));
    settle();
    EXPECT_EQ(answered(control_queue), 0U);
    unit.complete_all();
    settle();
    EXPECT_EQ(answered(control_queue), 32U);
    for (const auto& function : functions)
        EXPECT_EQ(static_cast<Response>(function.in.host[0]), Response::ok);
    EXPECT_EQ(controllers[0]->in_flight(control_queue), 0U);
}

TEST_F(Functions, CompleteWhenAnotherWorkersQueuesAreDetached) {
    const auto function = manage(TaskFunction::abort_task_set);
    for (const std::uint16_t queue : {3, 5}) worker_of(queue).detach(queue);
    settle();
    EXPECT_EQ(response(function), Response::ok);
}

TEST_F(Functions, MoreChainsInFlightThanDescriptorsEndTheSessionAndEveryFunction) {
    for (std::uint64_t id = 0; id < 32; ++id) (void)send(3, unit_lun, id);
    EXPECT_EQ(worker_of(3).in_flight(3), 32U);
    EXPECT_FALSE(worker_of(3).fault()) << "a full ring is no fault";
    rings[3]->ring->make_available(0);
    // The fault is on one worker; the control queue is on the other.
    const auto function = manage(TaskFunction::abort_task_set, unit_lun);
    settle();
    ASSERT_TRUE(worker_of(3).fault());
    EXPECT_NE(worker_of(3).fault()->find("more chains"), std::string::npos);
    EXPECT_FALSE(worker_of(3).take(3));
    unit.complete_all();
    settle();
    EXPECT_EQ(response(function), Response::ok);
    EXPECT_EQ(worker_of(3).in_flight(3), 0U) << "the chains in flight complete";
}

TEST_F(Functions, AFaultOnOneWorkerDelaysNoFunctionOnTheOther) {
    (void)send(3, unit_lun, target_id);
    rings[3]->ring->set_available_index(
        static_cast<std::uint16_t>(rings[3]->ring->available_index() + 33));
    EXPECT_FALSE(worker_of(3).take(3));
    ASSERT_TRUE(worker_of(3).fault());
    const auto function = manage(TaskFunction::abort_task, unit_lun, target_id);
    settle();
    EXPECT_FALSE(response(function));
    unit.complete(0);
    settle();
    EXPECT_EQ(response(function), Response::ok);
}

}  // namespace
}  // namespace zonebridge::virtio_scsi
