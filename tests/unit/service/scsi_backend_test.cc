// A virtio-scsi device on several workers, driven without a session: functions in flight while
// queues stop or memory changes, and units that are added and removed while commands run. A mock
// unit keeps commands in flight; other tests use emulated disks in files.
#include "service/scsi_backend.h"

#include <array>
#include <atomic>
#include <cstring>
#include <functional>
#include <future>
#include <memory>
#include <thread>

#include <gtest/gtest.h>

#include "tests/unit/service/direct_driver.h"
#include "tests/unit/support/temporary.h"
#include "tests/unit/virtio-scsi/scripted_unit.h"
#include "transports/emulated/emulated.h"
#include "virtio/ring.h"
#include "zbc/target.h"

namespace zonebridge::service {
namespace {

using driver::Block;
using virtio_scsi::Event;
using virtio_scsi::Response;
using virtio_scsi::ScriptedUnit;
using virtio_scsi::TaskFunction;
using zbc::Attention;

constexpr std::uint16_t request_queues = 4;
constexpr std::uint16_t all_queues = virtio_scsi::first_request_queue + request_queues;
constexpr std::size_t head_size =
    virtio_scsi::RequestHeader::size + virtio_scsi::Config::default_cdb_size;
constexpr std::size_t response_size =
    virtio_scsi::ResponseHeader::size + virtio_scsi::Config::default_sense_size;
constexpr std::uint8_t test_unit_ready = 0x00;
constexpr std::uint8_t read_10 = 0x28;
constexpr std::chrono::seconds longest_wait{20};  // ends a test that hangs

class ScsiOnWorkers : public ::testing::TestWithParam<unsigned> {
  protected:
    static constexpr std::uint64_t features =
        virtio::feature::version_1 | virtio::feature::event_index | virtio_scsi::feature_hotplug |
        virtio_scsi::feature_change;

    ScsiOnWorkers() {
        must(memory.add(0x100000, 0x400000));
        must(more.add(std::uint64_t{1} << 32, 0x100000));
        workers = must(start_workers(GetParam(), Spin({}),
                                     [](const Error& error) { FAIL() << error.message; }));
        backend = must(ScsiBackend::open(workers, {{0, &unit}}, request_queues));
        for (std::uint16_t i = 0; i < all_queues; ++i)
            queues.push_back(std::make_unique<driver::Queue>(
                i, memory, driver::RingOptions{.size = 64, .event_index = true}));
        start_all();
    }
    ~ScsiOnWorkers() override {
        unit.complete_all();
        for (std::uint16_t i = 0; i < all_queues; ++i) stop(i);
        backend.reset();
    }

    void start_all() {
        must(backend->set_memory(table({&memory}), later()));
        must(backend->set_features(features));
        for (std::uint16_t i = 0; i < all_queues; ++i) start(i);
    }
    void start(std::uint16_t index) {
        if (running.at(index)) return;
        auto made = setup(*queues.at(index), features);
        made.ring.base = bases.at(index);
        made.look_at_once = true;
        must(backend->start_queue(index, made));
        running.at(index) = true;
    }
    void stop(std::uint16_t index) {
        if (!running.at(index)) return;
        bases.at(index) = must(backend->stop_queue(index, later()));
        running.at(index) = false;
        EXPECT_EQ(queues.at(index)->ring.used_index(), bases.at(index))
            << "queue " << index << ": not every chain that was taken completed";
    }

    /// Queues a command and kicks; returns the response's buffer.
    Block send(std::uint16_t queue, std::uint8_t opcode = test_unit_ready, std::uint16_t lun = 0,
               std::uint64_t id = 1) {
        const auto out = memory.allocate(head_size, 16);
        std::memset(out.host, 0, out.size);
        const auto address = virtio_scsi::encode_address({0, lun, false});
        std::memcpy(out.host, address.data(), address.size());
        std::memcpy(out.host + 8, &id, sizeof id);
        out.host[virtio_scsi::RequestHeader::size] = std::byte{opcode};
        if (opcode == read_10) out.host[virtio_scsi::RequestHeader::size + 8] = std::byte{1};
        const auto in = memory.allocate(response_size + 512);
        EXPECT_TRUE(queues.at(queue)->ring.add(
            std::array{driver::to_device(out), driver::from_device(in)}));
        queues.at(queue)->submit();
        return in;
    }
    static std::uint32_t sense_code(const Block& in) {
        const auto* const sense = in.host + virtio_scsi::ResponseHeader::size;
        return static_cast<std::uint32_t>(sense[2]) << 16 |
               static_cast<std::uint32_t>(sense[12]) << 8 | static_cast<std::uint32_t>(sense[13]);
    }
    static std::uint8_t status(const Block& in) { return static_cast<std::uint8_t>(in.host[10]); }

    /// Queues a function and kicks; returns the response's buffer.
    Block manage(TaskFunction function, std::uint16_t lun = 0, std::uint64_t id = 0) {
        const auto out = memory.allocate(virtio_scsi::TaskManagement::size);
        std::memset(out.host, 0, out.size);
        out.host[4] = static_cast<std::byte>(function);
        const auto address = virtio_scsi::encode_address({0, lun, false});
        std::memcpy(out.host + 8, address.data(), address.size());
        std::memcpy(out.host + 16, &id, sizeof id);
        const auto in = memory.allocate(1);
        in.host[0] = std::byte{0xEE};
        EXPECT_TRUE(
            queues.at(0)->ring.add(std::array{driver::to_device(out), driver::from_device(in)}));
        queues.at(0)->submit();
        return in;
    }
    void wait(std::uint16_t queue) { (void)must(queues.at(queue)->wait_used()); }
    static Response response(const Block& function) {
        return static_cast<Response>(function.host[0]);
    }
    void wait_until_waiting(const ScriptedUnit& at, std::size_t count) {
        while (at.waiting() != count) std::this_thread::yield();
    }

    /// Runs `call` on another thread, as the session would, and completes commands until it
    /// returns.
    void completing(const std::function<void()>& call) {
        auto done = std::async(std::launch::async, call);
        while (done.wait_for(std::chrono::milliseconds{1}) != std::future_status::ready)
            unit.complete_all();
        done.get();
    }

    Block post_event_buffer() {
        const auto in = memory.allocate(Event::size);
        EXPECT_TRUE(queues.at(1)->ring.add(std::array{driver::from_device(in)}));
        queues.at(1)->submit();
        return in;
    }
    static std::uint32_t number(const Block& in, std::size_t at) {
        std::uint32_t value = 0;
        std::memcpy(&value, in.host + at, sizeof value);
        return value;
    }

    driver::SharedMemory memory, more;
    ScriptedUnit unit;
    Workers workers;
    std::unique_ptr<ScsiBackend> backend;
    std::vector<std::unique_ptr<driver::Queue>> queues;
    std::array<std::uint16_t, all_queues> bases{};
    std::array<bool, all_queues> running{};
};

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

TEST_P(ScsiOnWorkers, AFunctionCompletesWhenItsUnitIsRemoved) {
    ScriptedUnit second;
    must(backend->add({9, &second}));
    for (std::uint16_t queue = 2; queue < all_queues; ++queue)
        (void)send(queue, test_unit_ready, 9);
    wait_until_waiting(second, request_queues);
    const auto function = manage(TaskFunction::logical_unit_reset, 9);
    auto removed = std::async(std::launch::async, [&] { return backend->remove(9, longest_wait); });
    EXPECT_EQ(second.open_queues, static_cast<int>(GetParam()))
        << "the queues stay open while commands are in flight";
    second.complete_all();
    EXPECT_EQ(removed.get(), Removed::gone);
    EXPECT_EQ(second.open_queues, 0);
    wait(0);
    const auto said = response(function);
    EXPECT_TRUE(said == Response::ok || said == Response::incorrect_lun);
    for (std::uint16_t queue = 2; queue < all_queues; ++queue) wait(queue);
    EXPECT_EQ(backend->remove(9, longest_wait), Removed::absent);
}

TEST_P(ScsiOnWorkers, ADiskThatHangsDelaysOnlyItsOwnRemoval) {
    ScriptedUnit second;
    must(backend->add({9, &second}));
    (void)send(2, test_unit_ready, 9);
    wait_until_waiting(second, 1);
    auto removed = std::async(std::launch::async, [&] { return backend->remove(9, longest_wait); });
    auto reset = std::async(std::launch::async, [&] {
        must(backend->set_features(features));
        backend->reset(virtio::ResetCause::requested);
        must(backend->set_features(features));
    });
    EXPECT_EQ(reset.wait_for(longest_wait), std::future_status::ready)
        << "features and resets do not wait for a disk";
    second.complete_all();
    EXPECT_EQ(removed.get(), Removed::gone);
    reset.get();
    wait(2);
}

TEST_P(ScsiOnWorkers, ARemovalTimesOutIfTheDiskHangs) {
    ScriptedUnit second;
    must(backend->add({9, &second}));
    (void)send(2, test_unit_ready, 9);
    wait_until_waiting(second, 1);
    for (int i = 0; i < 2; ++i)
        EXPECT_EQ(backend->remove(9, std::chrono::milliseconds{5}), Removed::in_use_still);
    EXPECT_EQ(second.open_queues, static_cast<int>(GetParam()));
    const auto gone = send(3, test_unit_ready, 9);
    wait(3);
    EXPECT_EQ(sense_code(gone), 0x052500U) << "for the guest, the unit is removed";
    ScriptedUnit third;
    EXPECT_FALSE(backend->add({9, &third})) << "the number is not free yet";
    second.complete_all();
    EXPECT_EQ(backend->remove(9, longest_wait), Removed::gone);
    EXPECT_EQ(second.open_queues, 0);
    wait(2);
    must(backend->add({9, &third}));
    EXPECT_EQ(backend->remove(9, longest_wait), Removed::gone);
}

TEST_P(ScsiOnWorkers, AUnitAnswersOnEveryWorkerUntilItIsRemoved) {
    ScriptedUnit second;
    const auto try_all = [&](bool there) {
        for (std::uint16_t queue = 2; queue < all_queues; ++queue) {
            const auto in = send(queue, test_unit_ready, 255);
            if (there) {
                wait_until_waiting(second, 1);
                second.complete_all();
            }
            wait(queue);
            EXPECT_EQ(status(in), there ? 0 : 2) << "queue " << queue;
            if (!there) {
                EXPECT_EQ(sense_code(in), 0x052500U);
            }
        }
    };
    try_all(false);
    must(backend->add({255, &second}));
    try_all(true);
    EXPECT_EQ(backend->remove(255, longest_wait), Removed::gone);
    try_all(false);
    EXPECT_TRUE(unit.raised.empty()) << "a driver that gets events gets no unit attention";
}

TEST_P(ScsiOnWorkers, ADriverWithoutEventsGetsAnAttentionFromTheOtherUnits) {
    for (std::uint16_t i = 0; i < all_queues; ++i) stop(i);
    must(backend->set_features(features & ~virtio_scsi::feature_hotplug));
    ScriptedUnit second;
    must(backend->add({5, &second}));
    EXPECT_EQ(unit.raised, std::vector{Attention::luns_changed});
    EXPECT_EQ(backend->remove(5, longest_wait), Removed::gone);
    EXPECT_EQ(unit.raised.size(), 2U);
    EXPECT_TRUE(second.raised.empty());
}

TEST_P(ScsiOnWorkers, RefusesInvalidUnits) {
    const auto refusal = [&](const virtio_scsi::Unit& one) {
        const auto added = backend->add(one);
        EXPECT_FALSE(added);
        return added ? std::string() : added.error().message;
    };
    ScriptedUnit second;
    EXPECT_NE(refusal({0, &second}).find("LUN 0 is taken"), std::string::npos);
    EXPECT_NE(refusal({256, &second}).find("0 to 255"), std::string::npos);
    second.limits.max_segments = unit.limits.max_segments - 1;
    EXPECT_NE(refusal({1, &second}).find("promised 128 buffers"), std::string::npos);
    second.limits = unit.limits;
    // The last worker cannot open its queue; the others close theirs.
    second.most_queues = static_cast<int>(GetParam()) - 1;
    EXPECT_NE(refusal({1, &second}).find("no more queues"), std::string::npos);
    EXPECT_EQ(second.open_queues, 0);
    EXPECT_TRUE(unit.raised.empty());
    second.most_queues = 64;
    must(backend->add({1, &second}));
    EXPECT_EQ(backend->remove(1, longest_wait), Removed::gone);
}

TEST_P(ScsiOnWorkers, ChangesOfUnitsAreReportedAsEvents) {
    ScriptedUnit second;
    const std::array in{post_event_buffer(), post_event_buffer(), post_event_buffer()};
    const auto expect = [&](const Block& block, std::uint32_t event, std::uint32_t reason) {
        wait(1);
        EXPECT_EQ(number(block, 0), event);
        EXPECT_EQ(number(block, 4), 1U | 5U << 24);
        EXPECT_EQ(number(block, 12), reason);
    };
    must(backend->add({5, &second}));
    expect(in[0], Event::transport_reset, 1);
    backend->changed(5, Attention::capacity_changed);
    expect(in[1], Event::parameter_change, 0x092A);
    EXPECT_EQ(second.raised, std::vector{Attention::capacity_changed});
    backend->changed(6, Attention::capacity_changed);
    backend->announce_removal(6);
    backend->announce_removal(5);
    expect(in[2], Event::transport_reset, 2);
    (void)send(2, test_unit_ready, 5);
    wait_until_waiting(second, 1);
    second.complete_all();
    wait(2);
    EXPECT_EQ(backend->remove(5, longest_wait), Removed::gone);
}

TEST_P(ScsiOnWorkers, OnlyTheSameDriverGetsAMissedEventAfterAReset) {
    ScriptedUnit second;
    for (const bool same_driver : {true, false}) {
        for (std::uint16_t i = 0; i < all_queues; ++i) stop(i);
        backend->reset(virtio::ResetCause::status);
        must(backend->add({5, &second}));
        if (!same_driver) backend->reset(virtio::ResetCause::session_end);
        start_all();
        const auto in = post_event_buffer();
        if (!same_driver) backend->announce_removal(5);
        wait(1);
        EXPECT_EQ(number(in, 0),
                  same_driver ? Event::none | Event::missed : Event::transport_reset);
        // A unit that was added in one session is present in the next.
        (void)send(2, test_unit_ready, 5);
        wait_until_waiting(second, 1);
        second.complete_all();
        wait(2);
        EXPECT_EQ(backend->remove(5, longest_wait), Removed::gone);
    }
    EXPECT_EQ(second.reset_count(), 1U) << "the end of a session resets the units";
}

TEST_P(ScsiOnWorkers, NoCommandIsLostWhileDisksAreAddedAndRemoved) {
    test::TemporaryFolder folder;
    emulated::Shape shape;
    shape.size = 16 << 20;
    shape.zone_size = 4 << 20;
    std::vector<std::unique_ptr<Transport>> disks;
    std::vector<std::unique_ptr<zbc::LogicalUnit>> targets;
    for (const auto* const name : {"a", "b"}) {
        must(emulated::create(folder / name, shape));
        disks.push_back(must(emulated::open(folder / name, {.writable = true})));
        targets.push_back(must(zbc::make_target(*disks.back())));
    }
    must(backend->add({1, targets[0].get()}));
    std::atomic<bool> over = false;
    std::thread control([&] {
        for (int round = 0; round < 60; ++round) {
            EXPECT_TRUE(backend->add({2, targets[1].get()}));
            backend->changed(2, Attention::mode_changed);
            backend->announce_removal(2);
            EXPECT_EQ(backend->remove(2, longest_wait), Removed::gone);
        }
        over = true;
    });
    // At least 200 rounds; more until the other thread is done, as far as the memory allows.
    std::size_t good = 0;
    std::size_t absent = 0;
    for (std::size_t round = 0; round < 200 || (!over && round < 600); ++round) {
        std::vector<std::pair<std::uint16_t, Block>> sent;
        for (std::uint16_t queue = 2; queue < all_queues; ++queue)
            sent.emplace_back(queue, send(queue, read_10, queue % 2 == round % 2 ? 2 : 1, round));
        const auto function = manage(
            round % 2 == 0 ? TaskFunction::logical_unit_reset : TaskFunction::abort_task_set, 1);
        for (const auto& [queue, in] : sent) wait(queue);
        wait(0);
        EXPECT_EQ(response(function), Response::ok);
        for (const auto& [queue, in] : sent) {
            ASSERT_EQ(static_cast<Response>(in.host[11]), Response::ok);
            if (status(in) == 0) {
                ++good;
            } else if (sense_code(in) == 0x052500) {
                ++absent;
            } else {
                EXPECT_EQ(sense_code(in) >> 16, 6U) << "a unit attention";
            }
        }
    }
    control.join();
    EXPECT_GT(good, 0U);
    EXPECT_GT(absent, 0U);
    EXPECT_EQ(backend->remove(1, longest_wait), Removed::gone);
    for (const auto& disk : disks) must(disk->close());
}

}  // namespace
}  // namespace zonebridge::service
