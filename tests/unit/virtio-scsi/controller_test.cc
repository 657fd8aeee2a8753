#include "virtio-scsi/controller.h"

#include <cstring>
#include <memory>
#include <optional>
#include <string>

#include <gtest/gtest.h>

#include "tests/unit/virtio-scsi/scripted_unit.h"
#include "tests/unit/virtio/ring_pair.h"
#include "transports/ring.h"
#include "virtio/inflight.h"

namespace zonebridge::virtio_scsi {
namespace {

using driver::Block;
using driver::Buffer;
using virtio::number;
using virtio::RingPair;

constexpr std::uint8_t inquiry = 0x12;
constexpr std::uint8_t report_luns = 0xA0;

class ControllerTest : public testing::Test {
  protected:
    ControllerTest() {
        auto made = Ring::create();
        if (!made) throw std::runtime_error(made.error().message);
        loop = std::move(*made);
        const std::array units{Unit{0, &unit}, Unit{3, &other}};
        auto opened = Controller::open(*loop, units);
        if (!opened) throw std::runtime_error(opened.error().message);
        controller = std::move(*opened);
        controller->attach(control_queue, *control.queue);
        controller->attach(event_queue, *events.queue);
        controller->attach(first_request_queue, *requests.queue);
    }

    /// The head of a request in guest memory, with `room` bytes behind it.
    Block head(std::uint8_t opcode, std::uint8_t target = 0, std::uint8_t lun = 0,
               std::uint64_t id = 1, std::size_t room = 0) {
        auto block = requests.shared.allocate(head_size + room, 1);
        const std::array<std::uint8_t, 8> address{1, target, 0x40, lun};
        std::memcpy(block.host, address.data(), address.size());
        std::memcpy(block.host + 8, &id, sizeof id);
        block.host[RequestHeader::size] = std::byte{opcode};
        return block;
    }

    /// Queues a command without data; returns the buffer for its response.
    Block add(std::uint8_t opcode, std::uint8_t target = 0, std::uint8_t lun = 0,
              std::uint64_t id = 1) {
        const auto out = head(opcode, target, lun, id);
        const auto in = requests.shared.allocate(response_size + 64);
        std::memset(in.host, 0xEE, in.size);
        EXPECT_TRUE(
            requests.ring->add(std::array{driver::to_device(out), driver::from_device(in)}));
        (void)requests.ring->publish();
        return in;
    }
    Block send(std::uint8_t opcode, std::uint8_t target = 0, std::uint8_t lun = 0,
               std::uint64_t id = 1) {
        const auto in = add(opcode, target, lun, id);
        EXPECT_TRUE(controller->take(first_request_queue));
        return in;
    }

    /// Queues a task management function; returns the buffer for its response byte.
    Block manage(TaskFunction function, std::uint8_t lun = 0, std::uint64_t id = 0) {
        const auto out = control.shared.allocate(TaskManagement::size);
        out.host[4] = static_cast<std::byte>(function);
        const std::array<std::uint8_t, 8> address{1, 0, 0x40, lun};
        std::memcpy(out.host + 8, address.data(), address.size());
        std::memcpy(out.host + 16, &id, sizeof id);
        const auto in = control.shared.allocate(1);
        in.host[0] = std::byte{0xEE};
        EXPECT_TRUE(control.ring->add(std::array{driver::to_device(out), driver::from_device(in)}));
        (void)control.ring->publish();
        EXPECT_TRUE(controller->take(control_queue));
        return in;
    }
    std::optional<Response> function_response(const Block& in) {
        (void)controller->published();
        (void)control.queue->publish();
        if (!control.ring->take_used()) return std::nullopt;
        return static_cast<Response>(in.host[0]);
    }

    std::optional<driver::Used> answered() {
        controller->complete();
        (void)requests.queue->publish();
        return requests.ring->take_used();
    }
    static Response response(const Block& in) { return static_cast<Response>(in.host[11]); }
    static std::uint8_t status(const Block& in) { return static_cast<std::uint8_t>(in.host[10]); }

    ScriptedUnit unit;
    ScriptedUnit other;
    RingPair control;
    RingPair events;
    RingPair requests{{.size = 32, .event_index = true, .indirect_entries = 24}};
    std::unique_ptr<Ring> loop;
    std::unique_ptr<Controller> controller;
};

TEST_F(ControllerTest, CarriesACommandToItsUnitAndTheDataBack) {
    const auto in = send(test_unit_ready);
    ASSERT_EQ(unit.tasks.size(), 1U);
    EXPECT_EQ(unit.tasks[0].cdb.size(), 32U);
    EXPECT_FALSE(answered());
    unit.complete(0, "hello");
    const auto used = answered();
    ASSERT_TRUE(used);
    EXPECT_EQ(used->length, response_size + 5);
    EXPECT_EQ(response(in), Response::ok);
    EXPECT_EQ(status(in), 0);
    EXPECT_EQ(number(in, 0), 0U) << "no sense data";
    EXPECT_EQ(number(in, 4), 59U) << "residual: 64 bytes of room less 5";
    EXPECT_EQ(std::memcmp(in.host + response_size, "hello", 5), 0);
}

TEST_F(ControllerTest, WorksHoweverTheChainIsSplit) {
    // Split the request header with data-out, and the response header with data-in, into two
    // buffers each.
    for (std::size_t out_cut = 1; out_cut < head_size + 8; out_cut += 5)
        for (std::size_t in_cut = 1; in_cut < response_size + 8; in_cut += 11) {
            const auto out = head(test_unit_ready, 0, 0, 1, 8);
            std::memcpy(out.host + head_size, "data-out", 8);
            const auto in = requests.shared.allocate(response_size + 8);
            std::memset(in.host, 0xEE, in.size);
            const auto piece = [](const Block& block, std::size_t from, std::size_t to,
                                  bool writes) {
                return Buffer{block.address + from, static_cast<std::uint32_t>(to - from), writes};
            };
            ASSERT_TRUE(requests.ring->add(
                std::array{piece(out, 0, out_cut, false), piece(out, out_cut, out.size, false),
                           piece(in, 0, in_cut, true), piece(in, in_cut, in.size, true)}));
            (void)requests.ring->publish();
            ASSERT_TRUE(controller->take(first_request_queue));
            ASSERT_EQ(unit.tasks.size(), 1U);
            EXPECT_EQ(virtio::text_of(unit.tasks[0].data_out), "data-out");
            unit.complete(0, "data-in!");
            const auto used = answered();
            ASSERT_TRUE(used);
            EXPECT_EQ(used->length, response_size + 8);
            EXPECT_EQ(std::memcmp(in.host + response_size, "data-in!", 8), 0)
                << out_cut << " " << in_cut;
            EXPECT_EQ(response(in), Response::ok);
            EXPECT_EQ(number(in, 0), 0U);
            requests.shared.reset();
            // The ring lies at the front of the memory: allocate behind it again.
            (void)requests.shared.allocate(0x8000);
        }
}

TEST_F(ControllerTest, PutsSenseIntoTheResponse) {
    const auto in = send(test_unit_ready);
    auto& result = unit.complete(0, {}, zbc::ScsiStatus::check_condition);
    result.sense_length = 18;
    result.sense[2] = 5;
    ASSERT_TRUE(answered());
    EXPECT_EQ(status(in), 2);
    EXPECT_EQ(response(in), Response::ok);
    EXPECT_EQ(number(in, 0), 18U);
    EXPECT_EQ(in.host[ResponseHeader::size + 2], std::byte{5});
}

TEST_F(ControllerTest, ReportsAnOverrunWhenTheBuffersAreTooSmall) {
    const auto in = send(test_unit_ready);
    unit.complete(0, std::string(65, 'x'));
    ASSERT_TRUE(answered());
    EXPECT_EQ(response(in), Response::overrun);
}

TEST_F(ControllerTest, ReportsABadTargetForOtherTargets) {
    const auto in = send(inquiry, 1);
    ASSERT_TRUE(answered());
    EXPECT_EQ(response(in), Response::bad_target);
    EXPECT_TRUE(unit.tasks.empty());
}

TEST_F(ControllerTest, AnswersForALunWithoutAUnit) {
    const auto found = head(inquiry, 0, 2);
    found.host[RequestHeader::size + 4] = std::byte{36};
    const auto in = requests.shared.allocate(response_size + 64);
    ASSERT_TRUE(requests.ring->add(std::array{driver::to_device(found), driver::from_device(in)}));
    (void)requests.ring->publish();
    ASSERT_TRUE(controller->take(first_request_queue));
    ASSERT_TRUE(answered());
    EXPECT_EQ(status(in), 0);
    EXPECT_EQ(in.host[response_size], std::byte{0x7F});

    const auto refused = send(test_unit_ready, 0, 2);
    ASSERT_TRUE(answered());
    EXPECT_EQ(status(refused), 2);
    EXPECT_EQ(refused.host[ResponseHeader::size + 12], std::byte{0x25});
}

TEST_F(ControllerTest, ListsItsUnits) {
    const auto out = head(report_luns);
    out.host[RequestHeader::size + 9] = std::byte{64};
    const auto in = requests.shared.allocate(response_size + 64);
    ASSERT_TRUE(requests.ring->add(std::array{driver::to_device(out), driver::from_device(in)}));
    (void)requests.ring->publish();
    ASSERT_TRUE(controller->take(first_request_queue));
    ASSERT_TRUE(answered());
    EXPECT_EQ(status(in), 0);
    const auto* list = in.host + response_size;
    EXPECT_EQ(list[3], std::byte{16});
    EXPECT_EQ(list[9], std::byte{0});
    EXPECT_EQ(list[17], std::byte{3});
}

TEST_F(ControllerTest, AnAbortCompletesAfterItsCommand) {
    (void)send(test_unit_ready, 0, 0, 11);
    (void)send(test_unit_ready, 0, 0, 22);
    const auto in = manage(TaskFunction::abort_task, 0, 22);
    EXPECT_FALSE(function_response(in));
    unit.complete(0);
    ASSERT_TRUE(answered());
    EXPECT_FALSE(function_response(in)) << "another command completed";
    unit.complete(0);
    ASSERT_TRUE(answered());
    EXPECT_EQ(function_response(in), Response::ok);
    EXPECT_EQ(function_response(manage(TaskFunction::abort_task, 0, 22)), Response::ok)
        << "a command that is gone counts as aborted";
}

TEST_F(ControllerTest, AFunctionAffectsCommandsQueuedBeforeItThatWereNotTakenYet) {
    (void)add(test_unit_ready, 0, 0, 33);
    const auto in = manage(TaskFunction::abort_task, 0, 33);
    EXPECT_FALSE(function_response(in));
    unit.complete(0);
    ASSERT_TRUE(answered());
    EXPECT_EQ(function_response(in), Response::ok);
}

TEST_F(ControllerTest, AResetWaitsForTheCommandsOfItsUnitOnly) {
    (void)send(test_unit_ready, 0, 0, 1);
    (void)send(test_unit_ready, 0, 3, 2);
    const auto in = manage(TaskFunction::logical_unit_reset, 3);
    EXPECT_EQ(other.resets, 0U);
    (void)send(test_unit_ready, 0, 3, 3);  // sent after the function, which does not wait for it
    other.complete(0);
    ASSERT_TRUE(answered());
    EXPECT_EQ(function_response(in), Response::ok);
    EXPECT_EQ(other.resets, 1U);
    EXPECT_EQ(unit.resets, 0U);

    const auto nexus = manage(TaskFunction::i_t_nexus_reset);
    EXPECT_FALSE(function_response(nexus));
    unit.complete(0);
    other.complete(0);
    ASSERT_TRUE(answered());
    EXPECT_EQ(function_response(nexus), Response::ok);
    EXPECT_EQ(unit.resets, 1U);
    EXPECT_EQ(other.resets, 2U);
}

TEST_F(ControllerTest, QueriesReportWhetherACommandIsInFlight) {
    (void)send(test_unit_ready, 0, 0, 7);
    EXPECT_EQ(function_response(manage(TaskFunction::query_task, 0, 7)),
              Response::function_succeeded);
    EXPECT_EQ(function_response(manage(TaskFunction::query_task, 0, 8)), Response::ok);
    EXPECT_EQ(function_response(manage(TaskFunction::query_task_set)),
              Response::function_succeeded);
    EXPECT_EQ(function_response(manage(TaskFunction::query_task_set, 3)), Response::ok);
}

TEST_F(ControllerTest, UnsupportedFunctionsAreRejected) {
    EXPECT_EQ(function_response(manage(TaskFunction::clear_aca)), Response::function_rejected);
    EXPECT_EQ(function_response(manage(static_cast<TaskFunction>(77))),
              Response::function_rejected);
    EXPECT_EQ(function_response(manage(TaskFunction::logical_unit_reset, 9)),
              Response::incorrect_lun);
}

TEST_F(ControllerTest, TasksWaitWhileTheUnitIsFull) {
    unit.depth = 2;
    for (std::uint64_t id = 0; id < 5; ++id) (void)send(test_unit_ready, 0, 0, id);
    EXPECT_EQ(unit.tasks.size(), 2U);
    for (int done = 0; done < 5; ++done) {
        ASSERT_FALSE(unit.tasks.empty());
        unit.complete(0);
        EXPECT_TRUE(answered());
    }
    EXPECT_EQ(controller->in_flight(first_request_queue), 0U);
}

TEST_F(ControllerTest, ARequestShorterThanItsHeadersEndsTheSession) {
    const auto out = requests.shared.allocate(head_size - 1);
    const auto in = requests.shared.allocate(response_size);
    ASSERT_TRUE(requests.ring->add(std::array{driver::to_device(out), driver::from_device(in)}));
    (void)requests.ring->publish();
    EXPECT_FALSE(controller->take(first_request_queue));
    ASSERT_TRUE(controller->fault());
    EXPECT_NE(controller->fault()->find("less than virtio-scsi's headers"), std::string::npos);
    EXPECT_EQ(controller->in_flight(first_request_queue), 0U);
    for (const auto index : {control_queue, event_queue, first_request_queue})
        controller->detach(static_cast<std::uint16_t>(index));
    EXPECT_FALSE(controller->fault()) << "the fault ends with its driver";
}

/// Chains of one ring that a dead server took.
class DeadServersRing {
  public:
    explicit DeadServersRing(std::uint16_t size = 32) : fd_(*virtio::InflightArea::make(1, size)) {
        auto mapped = virtio::InflightArea::map(fd_.get(), 0,
                                                virtio::InflightArea::size_for(1, size), 1, size);
        if (!mapped) throw std::runtime_error(mapped.error());
        area_ = std::move(*mapped);
        pair.emplace(driver::RingOptions{.size = size}, area_.get());
    }
    void lose(std::span<const Buffer> chain) {
        ASSERT_TRUE(pair->ring->add(chain));
        (void)pair->ring->publish();
        ASSERT_EQ(pair->pop(), virtio::PopResult::chain);
    }
    virtio::VirtQueue again() {
        auto made = virtio::VirtQueue::create(*pair->memory, pair->config(area_.get()));
        if (!made) throw std::runtime_error(made.error());
        return std::move(*made);
    }

    std::optional<RingPair> pair;

  private:
    UniqueFd fd_;
    std::shared_ptr<const virtio::InflightArea> area_;
};

TEST_F(ControllerTest, CommandsOfADeadServerAreCarriedOutOneAfterTheOther) {
    constexpr std::uint16_t index = first_request_queue + 1;
    DeadServersRing ring;
    std::array<Block, 3> answers;
    for (auto& in : answers) {
        const auto out = ring.pair->shared.allocate(head_size, 1);
        out.host[0] = std::byte{1};
        in = ring.pair->shared.allocate(response_size);
        std::memset(in.host, 0xEE, in.size);
        ring.lose(std::array{driver::to_device(out), driver::from_device(in)});
    }
    auto again = ring.again();
    controller->attach(index, again);
    EXPECT_EQ(controller->in_flight(index), 3U);
    EXPECT_FALSE(controller->take(index)) << "no new chain";
    EXPECT_TRUE(unit.tasks.empty()) << "not before all rings are there";
    controller->recover(virtio::Lost::judge);
    for (auto& in : answers) {
        EXPECT_TRUE(controller->recovering());
        ASSERT_EQ(unit.tasks.size(), 1U);
        unit.complete(0);
        controller->complete();
        (void)again.publish();
        EXPECT_TRUE(ring.pair->ring->take_used());
        EXPECT_EQ(response(in), Response::ok);
    }
    EXPECT_FALSE(controller->recovering());
    EXPECT_EQ(controller->in_flight(index), 0U);
    EXPECT_TRUE(controller->take(index));
    controller->detach(index);
}

TEST_F(ControllerTest, FunctionsOfADeadServerWaitForItsCommands) {
    DeadServersRing ring;
    const auto out = ring.pair->shared.allocate(TaskManagement::size);
    out.host[4] = std::byte{5};  // logical unit reset
    out.host[8] = std::byte{1};
    const auto in = ring.pair->shared.allocate(1);
    ring.lose(std::array{driver::to_device(out), driver::from_device(in)});
    auto again = ring.again();
    controller->detach(control_queue);
    controller->attach(control_queue, again);
    controller->recover(virtio::Lost::judge);
    EXPECT_FALSE(controller->recovering()) << "they are not among the chains that functions await";
    EXPECT_FALSE(controller->take(control_queue));
    EXPECT_EQ(controller->in_flight(control_queue), 1U);
    controller->recovered();
    (void)controller->published();
    (void)again.publish();
    EXPECT_TRUE(ring.pair->ring->take_used());
    EXPECT_EQ(static_cast<Response>(in.host[0]), Response::ok);
    EXPECT_EQ(unit.resets, 1U);
    EXPECT_EQ(controller->in_flight(control_queue), 0U);
}

TEST_F(ControllerTest, AnEventOfADeadServerIsReportedAsMissed) {
    DeadServersRing ring;
    const auto in = ring.pair->shared.allocate(Event::size);
    std::memset(in.host, 0xEE, in.size);
    ring.lose(std::array{driver::from_device(in)});
    auto again = ring.again();
    controller->detach(event_queue);
    controller->attach(event_queue, again);
    controller->recover(virtio::Lost::judge);
    (void)again.publish();
    const auto used = ring.pair->ring->take_used();
    ASSERT_TRUE(used);
    EXPECT_EQ(used->length, Event::size);
    EXPECT_EQ(number(in, 0), Event::missed);
}

}  // namespace
}  // namespace zonebridge::virtio_scsi
