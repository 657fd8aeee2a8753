// Task management over commands on two workers: which ones a function waits for, and that it always ends.

#include <ostream>
#include <string>
#include <tuple>

#include "tests/unit/virtio-scsi/two_workers.h"

namespace zonebridge::virtio_scsi {
namespace {

constexpr std::uint64_t meant = 11;

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

/// A function, and the request queue of the command it finds: 2 and 4 on its own worker, 3 and 5 not.
class Function : public TwoWorkers,
                 public testing::WithParamInterface<std::tuple<Case, std::uint16_t>> {
  protected:
    static const Case& what() { return std::get<0>(GetParam()); }
    static std::uint16_t queue() { return std::get<1>(GetParam()); }

    Sent manage() { return TwoWorkers::manage(what().function, unit_lun, meant); }

    /// The function came, the command is there: does the one wait for the other?
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
    (void)send(queue(), unit_lun, meant);
    expect(true, unit);
}

TEST_P(Function, WaitsForACommandThatIsStillInItsRing) {
    (void)add(queue(), unit_lun, meant);
    expect(true, unit);
}

TEST_P(Function, WaitsForACommandThatItsUnitHadNoRoomFor) {
    unit.depth = 0;
    (void)send(queue(), unit_lun, meant);
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

TEST_P(Function, WaitsForAnotherIdOnlyIfItMeansTheWholeUnit) {
    (void)send(queue(), unit_lun, meant + 1);
    expect(what().affects != Affects::task, unit);
}

TEST_P(Function, WaitsForAnotherUnitOnlyIfItMeansAll) {
    (void)send(queue(), other_lun, meant);
    expect(what().affects == Affects::everything, other);
}

TEST_P(Function, DoesNotWaitForACommandSentAfterIt) {
    (void)send(queue(), unit_lun, meant);
    const auto function = manage();
    settle();
    for (int i = 0; i < 2; ++i) (void)send(queue(), unit_lun, meant);
    ASSERT_EQ(unit.tasks.size(), 3U);
    unit.complete(2);
    settle();
    EXPECT_FALSE(response(function)) << "and that one does not end it";
    EXPECT_EQ(answered(queue()), 1U);
    unit.complete(0);
    settle();
    EXPECT_EQ(response(function), Response::ok);
    unit.complete(0);
    settle();
    EXPECT_EQ(answered(queue()), 2U);
}

TEST_P(Function, IsAnsweredOnlyWhenTheDriverCanSeeTheCommandsAnswer) {
    (void)send(queue(), unit_lun, meant);
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
    FAIL() << "never answered";
}

TEST_P(Function, EndsWhenItsUnitIsRemoved) {
    (void)send(queue(), unit_lun, meant);
    unit.depth = 1;
    const auto refused = send(queue(), unit_lun, meant);
    const auto function = manage();
    settle();
    int drained = 0;
    for (const auto& controller : controllers)
        controller->retire_unit(unit_lun, [&] { ++drained; });
    settle();
    EXPECT_EQ(drained, 1) << "the other worker has nothing of it";
    EXPECT_EQ(status(refused), 2);
    EXPECT_EQ(additional_code(refused), 0x25);
    EXPECT_FALSE(response(function));
    unit.complete(0);
    settle();
    EXPECT_EQ(drained, 2);
    EXPECT_EQ(response(function), Response::ok);
    EXPECT_EQ(unit.resets, 0U) << "it is not theirs any more";
    for (const auto& controller : controllers) controller->forget_unit(unit_lun);
    EXPECT_EQ(unit.open_queues, 0);
    const auto late = TwoWorkers::manage(TaskFunction::abort_task_set, unit_lun);
    settle();
    EXPECT_EQ(response(late), Response::incorrect_lun);
}

TEST_P(Function, WaitsForACommandOfAUnitThatIsBeingRemoved) {
    (void)send(queue(), unit_lun, meant);
    for (const auto& controller : controllers) controller->retire_unit(unit_lun, [] {});
    settle();
    const auto function = manage();
    settle();
    EXPECT_FALSE(response(function)) << "the disk may still touch the command's buffers";
    unit.complete(0);
    settle();
    EXPECT_EQ(answered(queue()), 1U);
    EXPECT_EQ(response(function), Response::ok);
    EXPECT_EQ(unit.resets, 0U) << "the unit is not the guest's any more";
    for (const auto& controller : controllers) controller->forget_unit(unit_lun);
}

TEST_P(Function, WaitsForACommandOnAWorkerThatStillHasItsUnit) {
    (void)send(queue(), unit_lun, meant);
    // The removal reaches one worker after the other; here, only the control queue's.
    worker_of(control_queue).retire_unit(unit_lun, [] {});
    const auto function = manage();
    settle();
    EXPECT_FALSE(response(function));
    unit.complete(0);
    settle();
    EXPECT_EQ(response(function), Response::ok);
    worker_of(control_queue).forget_unit(unit_lun);
}

TEST_P(Function, FindsNoUnitWhereARemovedOneHasNoneOfItsCommands) {
    (void)send(queue(), other_lun, meant);
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

TEST_F(Functions, WaitForCommandsOfAllQueuesAtOnce) {
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
        (void)add(queue, unit_lun, meant);
        const auto ask = [&](TaskFunction function, std::uint16_t lun, std::uint64_t id) {
            const auto sent = manage(function, lun, id);
            settle();
            return response(sent);
        };
        EXPECT_EQ(ask(TaskFunction::query_task, unit_lun, meant), Response::function_succeeded);
        EXPECT_EQ(ask(TaskFunction::query_task, unit_lun, meant + 1), Response::ok);
        EXPECT_EQ(ask(TaskFunction::query_task, other_lun, meant), Response::ok);
        EXPECT_EQ(ask(TaskFunction::query_task_set, unit_lun, 0), Response::function_succeeded);
        EXPECT_EQ(ask(TaskFunction::query_task_set, other_lun, 0), Response::ok);
        unit.complete_all();
        settle();
        EXPECT_EQ(ask(TaskFunction::query_task, unit_lun, meant), Response::ok);
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

TEST_F(Functions, AFullControlQueueOfThemEnds) {
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

TEST_F(Functions, AQueueThatIsGoneHasNothingThatTheyWaitFor) {
    const auto function = manage(TaskFunction::abort_task_set);
    for (const std::uint16_t queue : {3, 5}) worker_of(queue).detach(queue);
    settle();
    EXPECT_EQ(response(function), Response::ok);
}

TEST_F(Functions, MoreChainsThanTheRingHasDescriptorsEndTheSessionAndEveryFunction) {
    for (std::uint64_t id = 0; id < 32; ++id) (void)send(3, unit_lun, id);
    EXPECT_EQ(worker_of(3).in_flight(3), 32U);
    EXPECT_FALSE(worker_of(3).fault()) << "a full ring is no fault";
    rings[3]->ring->make_available(0);
    // The other worker, which has the control queue, is not to blame.
    const auto function = manage(TaskFunction::abort_task_set, unit_lun);
    settle();
    ASSERT_TRUE(worker_of(3).fault());
    EXPECT_NE(worker_of(3).fault()->find("more chains"), std::string::npos);
    EXPECT_FALSE(worker_of(3).take(3));
    unit.complete_all();
    settle();
    EXPECT_EQ(response(function), Response::ok);
    EXPECT_EQ(worker_of(3).in_flight(3), 0U) << "what was taken is answered";
}

TEST_F(Functions, ADriverAtFaultOnOneWorkerHoldsUpNoneOfTheOther) {
    (void)send(3, unit_lun, meant);
    rings[3]->ring->set_available_index(
        static_cast<std::uint16_t>(rings[3]->ring->available_index() + 33));
    EXPECT_FALSE(worker_of(3).take(3));
    ASSERT_TRUE(worker_of(3).fault());
    const auto function = manage(TaskFunction::abort_task, unit_lun, meant);
    settle();
    EXPECT_FALSE(response(function));
    unit.complete(0);
    settle();
    EXPECT_EQ(response(function), Response::ok);
}

}  // namespace
}  // namespace zonebridge::virtio_scsi
