// Units that are added and removed, and the events that a driver gets.

#include "tests/unit/virtio-scsi/two_workers.h"
#include "zbc/sense.h"

namespace zonebridge::virtio_scsi {
namespace {

class Units : public TwoWorkers {
  protected:
    /// The event number in an event buffer, if the driver sees it used.
    std::optional<std::uint32_t> event(const Block& in) {
        if (!rings.at(event_queue)->ring->take_used()) return std::nullopt;
        return number(in, 0);
    }
    Controller& home() { return worker_of(event_queue); }

    /// Completes the first command in flight with a unit attention.
    void complete_with_attention(ScriptedUnit& of, zbc::Attention attention) {
        auto& result = of.complete(0, {}, zbc::ScsiStatus::check_condition);
        result.sense_length = static_cast<std::uint8_t>(zbc::encode_sense(
            zbc::unit_attention(attention), zbc::SenseFormat::fixed, result.sense));
    }
};

TEST_F(Units, AUnitAnswersOnceItIsCommitted) {
    ScriptedUnit late;
    for (const auto& controller : controllers) ASSERT_TRUE(controller->prepare_unit({7, &late}));
    EXPECT_EQ(late.open_queues, 2);
    const auto early = send(3, 7, 1);
    settle();
    EXPECT_EQ(additional_code(early), 0x25);
    for (const auto& controller : controllers) controller->commit_unit();
    for (const std::uint16_t queue : {2, 3}) (void)send(queue, 7, 1);
    EXPECT_EQ(late.tasks.size(), 2U);
    late.complete_all();
    settle();
    for (const auto& controller : controllers) {
        controller->retire_unit(7, [] {});
        controller->forget_unit(7);
    }
    EXPECT_EQ(late.open_queues, 0);
    const auto gone = send(2, 7, 1);
    settle();
    EXPECT_EQ(additional_code(gone), 0x25);
}

TEST_F(Units, AnotherUnitMayTakeTheLunWhileTheFirstDrains) {
    ScriptedUnit late;
    (void)send(2, unit_lun, 1);
    auto drained = false;
    auto& controller = worker_of(2);
    controller.retire_unit(unit_lun, [&] { drained = true; });
    ASSERT_TRUE(controller.prepare_unit({unit_lun, &late}));
    controller.commit_unit();
    (void)send(2, unit_lun, 2);
    EXPECT_EQ(late.tasks.size(), 1U);
    EXPECT_FALSE(drained);
    unit.complete(0);
    settle();
    EXPECT_TRUE(drained);
    controller.forget_unit(unit_lun);
    EXPECT_EQ(unit.open_queues, 1) << "the other worker's queue";
    late.complete(0);
    settle();
    EXPECT_EQ(answered(2), 2U);
    controller.retire_unit(unit_lun, [] {});
    controller.forget_unit(unit_lun);
    EXPECT_EQ(late.open_queues, 0);
}

TEST_F(Units, AnAbandonedUnitLeavesNothing) {
    ScriptedUnit late;
    ASSERT_TRUE(controllers[0]->prepare_unit({7, &late}));
    controllers[0]->abandon_unit();
    controllers[0]->commit_unit();
    EXPECT_EQ(late.open_queues, 0);
    const auto sent = send(2, 7, 1);
    settle();
    EXPECT_EQ(additional_code(sent), 0x25);
}

TEST_F(Units, EventsHaveTheLunAndTheReason) {
    const std::array in{post_event_buffer(), post_event_buffer(), post_event_buffer()};
    EXPECT_FALSE(home().take(event_queue)) << "buffers stay in the ring";
    EXPECT_EQ(rings[event_queue]->queue->in_flight(), 0);
    home().report(transport_reset(7, TransportReset::rescan));
    home().report(transport_reset(3, TransportReset::removed));
    home().report(parameter_change(0, zbc::unit_attention(zbc::Attention::capacity_changed)));
    publish(1);
    EXPECT_EQ(event(in[0]), Event::transport_reset);
    EXPECT_EQ(number(in[0], 4), 1U | 7U << 24)
        << "the LUN in the format of REPORT LUNS, without 40h";
    EXPECT_EQ(number(in[0], 12), 1U);
    EXPECT_EQ(event(in[1]), Event::transport_reset);
    EXPECT_EQ(number(in[1], 4), 1U | 3U << 24);
    EXPECT_EQ(number(in[1], 12), 2U);
    EXPECT_EQ(event(in[2]), Event::parameter_change);
    EXPECT_EQ(number(in[2], 12), 0x092AU);
}

TEST_F(Units, AnEventWithoutABufferIsReportedAsMissedWithTheNextBuffer) {
    home().report(transport_reset(3, TransportReset::rescan));
    const auto in = post_event_buffer();
    const auto next = post_event_buffer();
    EXPECT_FALSE(home().take(event_queue));
    publish(1);
    EXPECT_EQ(event(in), Event::none | Event::missed);
    home().report(transport_reset(3, TransportReset::rescan));
    publish(1);
    EXPECT_EQ(event(next), Event::transport_reset) << "the missed event is reported once";
}

TEST_F(Units, AfterAMissedEventTheDriverIsAskedToKick) {
    auto& pair = *rings[event_queue];
    EXPECT_TRUE(home().take(event_queue)) << "no buffer is available";
    pair.queue->disable_kicks();
    const auto in = post_event_buffer();
    home().report(transport_reset(3, TransportReset::rescan));
    publish(1);
    EXPECT_EQ(event(in), Event::transport_reset);
    home().report(transport_reset(3, TransportReset::removed));
    const auto later = pair.shared.allocate(Event::size);
    ASSERT_TRUE(pair.ring->add(std::array{driver::from_device(later)}));
    EXPECT_TRUE(pair.ring->publish()) << "the device asked for a kick";
    EXPECT_TRUE(home().take(event_queue));
    publish(1);
    EXPECT_EQ(event(later), Event::none | Event::missed);
}

TEST_F(Units, AnEventWhileTheQueueIsDetachedIsMissed) {
    home().detach(event_queue);
    home().report(transport_reset(3, TransportReset::rescan));
    home().attach(event_queue, *rings[event_queue]->queue);
    const auto in = post_event_buffer();
    EXPECT_TRUE(home().take(event_queue));
    publish(1);
    EXPECT_EQ(event(in), Event::none | Event::missed);
}

TEST_F(Units, ANewDriverGetsNoMissedEvent) {
    home().detach(event_queue);
    home().report(transport_reset(3, TransportReset::rescan));
    home().forget_missed_events();
    home().attach(event_queue, *rings[event_queue]->queue);
    const auto in = post_event_buffer();
    EXPECT_FALSE(home().take(event_queue));
    publish(1);
    EXPECT_FALSE(event(in));
}

TEST_F(Units, EventsThatWereNotAcceptedAreNotSent) {
    const auto in = post_event_buffer();
    home().set_features(feature_change);
    home().report(transport_reset(3, TransportReset::rescan));
    publish(1);
    EXPECT_FALSE(event(in));
    home().set_features(feature_hotplug);
    home().report(parameter_change(3, zbc::unit_attention(zbc::Attention::mode_changed)));
    publish(1);
    EXPECT_FALSE(event(in));
    home().report(transport_reset(3, TransportReset::rescan));
    publish(1);
    EXPECT_EQ(event(in), Event::transport_reset) << "the unsent events do not count as missed";
}

TEST_F(Units, ABufferTooShortForAnEventIsReturnedUnused) {
    auto& pair = *rings[event_queue];
    const auto in = pair.shared.allocate(Event::size - 1);
    ASSERT_TRUE(pair.ring->add(std::array{driver::from_device(in)}));
    (void)pair.ring->publish();
    home().report(transport_reset(3, TransportReset::rescan));
    publish(1);
    const auto used = pair.ring->take_used();
    ASSERT_TRUE(used);
    EXPECT_EQ(used->length, 0U);
    const auto good = post_event_buffer();
    EXPECT_TRUE(home().take(event_queue));
    publish(1);
    EXPECT_EQ(event(good), Event::none | Event::missed);
}

TEST_F(Units, AttentionsOfAPassedThroughDiskBecomeEventsOnAnyQueue) {
    for (const std::uint16_t queue : {2, 3}) {
        const auto in = post_event_buffer();
        (void)send(queue, other_lun, 1);
        complete_with_attention(other, zbc::Attention::capacity_changed);
        settle();
        EXPECT_EQ(answered(queue), 1U);
        EXPECT_EQ(event(in), Event::parameter_change) << "queue " << queue;
        EXPECT_EQ(number(in, 4), 1U | static_cast<std::uint32_t>(other_lun) << 24);
        EXPECT_EQ(number(in, 12), 0x092AU);
    }
}

TEST_F(Units, OtherSenseAndOtherUnitsCauseNoEvents) {
    const auto in = post_event_buffer();
    (void)send(2, other_lun, 1);
    complete_with_attention(other, zbc::Attention::power_on);
    (void)send(2, unit_lun, 1);
    complete_with_attention(unit, zbc::Attention::capacity_changed);
    settle();
    EXPECT_EQ(answered(2), 2U);
    EXPECT_FALSE(event(in));
}

TEST_F(Units, AttentionsOnEveryCommandCauseABoundedNumberOfEvents) {
    for (int round = 0; round < 8; ++round) {
        for (std::uint64_t id = 0; id < 32; ++id) (void)send(2, other_lun, id);
        while (!other.tasks.empty()) complete_with_attention(other, zbc::Attention::mode_changed);
        turn(0);  // worker 1, which has the event queue, does not turn
        EXPECT_EQ(answered(2), 32U);
    }
    std::vector<Block> in;
    for (int i = 0; i < 32; ++i) in.push_back(post_event_buffer());
    settle();
    EXPECT_EQ(answered(event_queue), 32U);
    (void)send(2, other_lun, 1);
    complete_with_attention(other, zbc::Attention::mode_changed);
    const auto last = post_event_buffer();
    settle();
    EXPECT_EQ(event(last), Event::parameter_change | Event::missed);
}

TEST_F(Units, ReportLunsListsTheMaximumOfUnitsInOrder) {
    std::vector<std::unique_ptr<ScriptedUnit>> many;
    auto& controller = worker_of(2);
    for (std::uint16_t lun = max_luns; lun-- > 0;) {
        if (lun == unit_lun || lun == other_lun) continue;
        many.push_back(std::make_unique<ScriptedUnit>());
        ASSERT_TRUE(controller.prepare_unit({lun, many.back().get()}));
        controller.commit_unit();
    }
    for (const std::uint32_t allocation : {16U, 24U, 1000U, 2056U, 4096U}) {
        auto& pair = *rings[2];
        const auto out = pair.shared.allocate(head_size, 1);
        out.host[0] = std::byte{1};
        out.host[RequestHeader::size] = std::byte{0xA0};
        out.host[RequestHeader::size + 8] = static_cast<std::byte>(allocation >> 8);
        out.host[RequestHeader::size + 9] = static_cast<std::byte>(allocation);
        const auto in = pair.shared.allocate(response_size + 4096);
        std::memset(in.host, 0xEE, in.size);
        ASSERT_TRUE(pair.ring->add(std::array{driver::to_device(out), driver::from_device(in)}));
        (void)pair.ring->publish();
        ASSERT_TRUE(controller.take(2));
        settle();
        const auto used = pair.ring->take_used();
        ASSERT_TRUE(used);
        const auto length = std::min(allocation, 2056U);
        EXPECT_EQ(used->length, response_size + length);
        const auto* const list = in.host + response_size;
        EXPECT_EQ(list[2], std::byte{8})
            << "the list is 2048 bytes, whatever the allocation length";
        EXPECT_EQ(list[3], std::byte{0});
        for (std::size_t at = 8; at + 8 <= length; at += 8)
            EXPECT_EQ(list[at + 1], static_cast<std::byte>(at / 8 - 1));
        EXPECT_EQ(list[length], std::byte{0xEE});
    }
    controllers[0].reset();
}

}  // namespace
}  // namespace zonebridge::virtio_scsi
