// A virtio-scsi device on several workers: units that are added, changed and removed. The last test
// uses emulated disks in files.
#include <atomic>

#include "tests/unit/service/scsi_on_workers.h"
#include "tests/unit/support/temporary.h"
#include "transports/emulated/emulated.h"
#include "zbc/target.h"

namespace zonebridge::service {
namespace {

TEST_P(ScsiOnWorkers, AFunctionCompletesWhenItsUnitIsRemoved) {
    ScriptedUnit second;
    must(backend->add({9, &second}));
    for (std::uint16_t queue = 2; queue < all_queues; ++queue)
        (void)send(queue, test_unit_ready, 9);
    wait_until_waiting(second, request_queues);
    const auto function = manage(TaskFunction::logical_unit_reset, 9);
    auto removed =
        std::async(std::launch::async, [&] { return backend->remove(9, driver::patience); });
    EXPECT_EQ(second.open_queues, static_cast<int>(GetParam()))
        << "the queues stay open while commands are in flight";
    second.complete_all();
    EXPECT_EQ(removed.get(), Removed::gone);
    EXPECT_EQ(second.open_queues, 0);
    wait(0);
    const auto said = response(function);
    EXPECT_TRUE(said == Response::ok || said == Response::incorrect_lun);
    for (std::uint16_t queue = 2; queue < all_queues; ++queue) wait(queue);
    EXPECT_EQ(backend->remove(9, driver::patience), Removed::absent);
}

TEST_P(ScsiOnWorkers, ADiskThatHangsDelaysOnlyItsOwnRemoval) {
    ScriptedUnit second;
    must(backend->add({9, &second}));
    (void)send(2, test_unit_ready, 9);
    wait_until_waiting(second, 1);
    auto removed =
        std::async(std::launch::async, [&] { return backend->remove(9, driver::patience); });
    auto reset = std::async(std::launch::async, [&] {
        must(backend->set_features(features));
        backend->reset(virtio::ResetCause::requested);
        must(backend->set_features(features));
    });
    EXPECT_EQ(reset.wait_for(driver::patience), std::future_status::ready)
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
    EXPECT_EQ(backend->remove(9, driver::patience), Removed::gone);
    EXPECT_EQ(second.open_queues, 0);
    wait(2);
    must(backend->add({9, &third}));
    EXPECT_EQ(backend->remove(9, driver::patience), Removed::gone);
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
    EXPECT_EQ(backend->remove(255, driver::patience), Removed::gone);
    try_all(false);
    EXPECT_TRUE(unit.raised.empty()) << "a driver that gets events gets no unit attention";
}

TEST_P(ScsiOnWorkers, ADriverWithoutEventsGetsAnAttentionFromTheOtherUnits) {
    for (std::uint16_t i = 0; i < all_queues; ++i) stop(i);
    must(backend->set_features(features & ~virtio_scsi::feature_hotplug));
    ScriptedUnit second;
    must(backend->add({5, &second}));
    EXPECT_EQ(unit.raised, std::vector{Attention::luns_changed});
    EXPECT_EQ(backend->remove(5, driver::patience), Removed::gone);
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
    EXPECT_EQ(backend->remove(1, driver::patience), Removed::gone);
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
    EXPECT_EQ(backend->remove(5, driver::patience), Removed::gone);
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
        EXPECT_EQ(backend->remove(5, driver::patience), Removed::gone);
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
            EXPECT_EQ(backend->remove(2, driver::patience), Removed::gone);
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
    EXPECT_EQ(backend->remove(1, driver::patience), Removed::gone);
    for (const auto& disk : disks) must(disk->close());
}

}  // namespace
}  // namespace zonebridge::service
