// Commands that a server took and did not answer before it died: how the next server judges them,
// on translated disks in memory.

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/support/hand_loop.h"
#include "tests/unit/support/machine_disk.h"
#include "tests/unit/virtio-scsi/scripted_unit.h"
#include "tests/unit/virtio/ring_pair.h"
#include "virtio-scsi/controller.h"
#include "virtio/inflight.h"
#include "zbc/cdb.h"
#include "zbc/target.h"

namespace zonebridge::virtio_scsi {
namespace {

using driver::Block;
using virtio::number;
using virtio::RingPair;
using Bytes = std::vector<std::uint8_t>;

constexpr std::uint16_t lost_queue = first_request_queue;
constexpr std::uint16_t new_queue = first_request_queue + 1;
constexpr std::uint32_t block = 512;
constexpr std::uint32_t write_blocks = 16;

Bytes filled(std::uint8_t seed) {
    Bytes bytes(std::size_t{write_blocks} * block);
    for (std::size_t i = 0; i < bytes.size(); ++i)
        bytes[i] = static_cast<std::uint8_t>(seed + i / 256 + i);
    return bytes;
}

struct Command {
    zbc::Cdb cdb{};
    Bytes data_out = {};
    std::size_t data_in = 0;
    std::uint8_t lun = 0;
};
struct Answer {
    Response response{};
    std::uint8_t status = 0xEE;
    std::uint32_t residual = 0;
    std::uint32_t sense = 0;  ///< key << 16 | ASC << 8 | ASCQ
    Bytes data;
};

class ScsiLost : public testing::Test {
  protected:
    static constexpr std::uint16_t size = 64;

    explicit ScsiLost(const test::MachineDiskShape& shape = {}) : disk(shape), second(shape) {
        auto fd = virtio::InflightArea::make(1, size);
        if (!fd) throw std::runtime_error(fd.error());
        auto mapped = virtio::InflightArea::map(fd->get(), 0,
                                                virtio::InflightArea::size_for(1, size), 1, size);
        if (!mapped) throw std::runtime_error(mapped.error());
        area = std::move(*mapped);
        pair.emplace(driver::RingOptions{.size = size}, area.get());
        start_server();
        // As before the server died: a driver that has seen the power on.
        EXPECT_EQ(run({}).sense, 0x062900U);
        EXPECT_EQ(run({.lun = 3}).sense, 0x062900U);
    }
    ~ScsiLost() override { stop_server(); }

    void start_server() {
        target = std::move(zbc::make_target(disk).value());
        other = std::move(zbc::make_target(second).value());
        const std::array units{Unit{0, target.get()}, Unit{3, other.get()}};
        controller = std::move(Controller::open(loop, units).value());
        controller->set_features(feature_hotplug);
        controller->attach(new_queue, *requests.queue);
        controller->recover(virtio::Lost::give_up);  // nothing yet
    }
    void stop_server() {
        controller->detach(new_queue);
        controller.reset();
    }
    /// The server dies, and another begins.
    void restart() {
        stop_server();
        start_server();
        disk.taken.clear();
        second.taken.clear();
    }

    static Block queue_in(RingPair& ring, const Command& command) {
        const auto out = ring.shared.allocate(head_size + command.data_out.size(), 1);
        const auto in = ring.shared.allocate(response_size + command.data_in, 1);
        const auto address = encode_address({0, command.lun, false});
        std::memcpy(out.host, address.data(), address.size());
        std::memcpy(out.host + RequestHeader::size, command.cdb.data(), command.cdb.size());
        if (!command.data_out.empty())
            std::memcpy(out.host + head_size, command.data_out.data(), command.data_out.size());
        std::memset(in.host, 0xEE, in.size);
        EXPECT_TRUE(ring.ring->add(std::array{driver::to_device(out), driver::from_device(in)}));
        (void)ring.ring->publish();
        return in;
    }
    static Answer answer_in(const Block& in) {
        Answer answer;
        answer.response = static_cast<Response>(in.host[11]);
        answer.status = static_cast<std::uint8_t>(in.host[10]);
        answer.residual = number(in, 4);
        const auto* const sense = reinterpret_cast<const std::uint8_t*>(in.host) + 12;
        if (number(in, 0) >= 14)
            answer.sense = static_cast<std::uint32_t>(sense[2] << 16 | sense[12] << 8 | sense[13]);
        const auto* const data = reinterpret_cast<const std::uint8_t*>(in.host);
        answer.data.assign(data + response_size, data + in.size);
        return answer;
    }
    void turn() {
        (void)controller->take(new_queue);
        do {
            (void)loop.turn(Loop::Wait::poll);
            controller->complete();
        } while (loop.ready());
        (void)requests.queue->publish();
    }
    /// Runs a new command.
    Answer run(const Command& command) {
        const auto in = queue_in(requests, command);
        turn();
        EXPECT_TRUE(requests.ring->take_used());
        return answer_in(in);
    }
    Answer write(std::uint32_t zone, std::uint64_t at, const Bytes& data) {
        return run(write_of(zone, at, data));
    }
    [[nodiscard]] std::uint64_t lba(std::uint64_t zone, std::uint64_t at = 0) const {
        return zone * disk.shape().zone_size / block + at;
    }
    [[nodiscard]] Command write_of(std::uint32_t zone, std::uint64_t at, const Bytes& data) const {
        const auto blocks = static_cast<std::uint32_t>(data.size() / block);
        return {.cdb = zbc::encode_write_16(lba(zone, at), blocks, false), .data_out = data};
    }
    [[nodiscard]] Command act(Operation action, std::uint32_t zone) const {
        return {.cdb = zbc::encode_zone_action(action, {lba(zone), 1, false})};
    }
    Bytes read(std::uint32_t zone, std::uint64_t at) {
        return run({.cdb = zbc::encode_read_16(lba(zone, at), write_blocks),
                    .data_in = std::size_t{write_blocks} * block})
            .data;
    }

    /// The dead server took this command.
    void lose(const Command& command) {
        lost.push_back(queue_in(*pair, command));
        ASSERT_EQ(pair->pop(), virtio::PopResult::chain);
    }
    std::vector<Answer> recover(virtio::Lost how = virtio::Lost::judge) {
        auto again = virtio::VirtQueue::create(*pair->memory, pair->config(area.get()));
        if (!again) throw std::runtime_error(again.error());
        controller->attach(lost_queue, *again);
        EXPECT_EQ(controller->in_flight(lost_queue), lost.size());
        EXPECT_TRUE(disk.taken.empty()) << "before all rings are there";
        controller->recover(how);
        do {
            (void)loop.turn(Loop::Wait::poll);
            controller->complete();
        } while (loop.ready() || controller->recovering());
        (void)again->publish();
        std::vector<Answer> answers;
        for (const auto& in : lost) {
            EXPECT_TRUE(pair->ring->take_used());
            answers.push_back(answer_in(in));
        }
        EXPECT_FALSE(pair->ring->take_used());
        EXPECT_EQ(controller->in_flight(lost_queue), 0U);
        controller->detach(lost_queue);
        return answers;
    }
    Answer recover_one() { return recover().at(0); }
    static std::string words(const Answer& answer) {
        return std::to_string(static_cast<int>(answer.response)) + " " +
               std::to_string(answer.status);
    }
    std::size_t taken(Operation operation) const {
        return static_cast<std::size_t>(
            std::count_if(disk.taken.begin(), disk.taken.end(),
                          [&](const auto& one) { return one.operation == operation; }));
    }

    test::HandLoop loop;
    test::MachineDisk disk;
    test::MachineDisk second;
    std::unique_ptr<zbc::LogicalUnit> target;
    std::unique_ptr<zbc::LogicalUnit> other;
    RingPair requests{{.size = size}};
    std::unique_ptr<Controller> controller;
    std::shared_ptr<const virtio::InflightArea> area;
    std::optional<RingPair> pair;
    std::vector<Block> lost;
    const Bytes data = filled(3);
};

constexpr const char* good = "0 0";
constexpr const char* told_reset = "4 0";

TEST_F(ScsiLost, AWriteThatIsOnTheDiskIsAnsweredAndNotRepeated) {
    ASSERT_EQ(words(write(4, 0, data)), good);
    restart();
    lose(write_of(4, 0, data));
    const auto answer = recover_one();
    EXPECT_EQ(words(answer), good);
    EXPECT_EQ(answer.residual, 0U);
    EXPECT_EQ(taken(Operation::write), 0U);
    EXPECT_EQ(taken(Operation::flush), 1U) << "the driver may have switched the cache off";
}

TEST_F(ScsiLost, AWriteThatIsNotOnTheDiskIsCarriedOut) {
    restart();
    lose(write_of(4, 0, data));
    EXPECT_EQ(words(recover_one()), good);
    EXPECT_EQ(taken(Operation::write), 1U);
    (void)run({});  // the unit attention
    EXPECT_EQ(read(4, 0), data);
}

TEST_F(ScsiLost, AWriteOfWhichAPartIsOnTheDiskIsContinued) {
    auto whole = data;
    whole.insert(whole.end(), data.rbegin(), data.rend());
    ASSERT_EQ(words(write(4, 0, data)), good);
    restart();
    lose(write_of(4, 0, whole));
    for (const auto& answer : recover()) EXPECT_EQ(words(answer), good);
    EXPECT_EQ(taken(Operation::write), 1U);
    (void)run({});  // the unit attention
    EXPECT_EQ(read(4, write_blocks), Bytes(data.rbegin(), data.rend()));
    EXPECT_EQ(read(4, 0), data);
}

TEST_F(ScsiLost, AWriteWhereOtherDataLieIsToldAsAReset) {
    ASSERT_EQ(words(write(4, 0, filled(9))), good);
    ASSERT_EQ(words(write(5, 0, filled(8))), good);
    restart();
    lose(write_of(4, 0, data));
    auto longer = data;
    longer.insert(longer.end(), data.begin(), data.end());
    lose(write_of(5, 0, longer));
    lose(write_of(6, 8, data));  // beyond the pointer
    for (const auto& answer : recover()) EXPECT_EQ(words(answer), told_reset);
    EXPECT_EQ(taken(Operation::write), 0U);
}

TEST_F(ScsiLost, CommandsOfAZoneAreJudgedOneByOneInTheirOrder) {
    ASSERT_EQ(words(write(4, 0, data)), good);
    restart();
    lose(act(Operation::reset, 4));
    lose(write_of(4, 0, data));
    lose(write_of(4, write_blocks, filled(8)));
    lose(act(Operation::finish, 4));
    for (const auto& answer : recover()) EXPECT_EQ(words(answer), good);
    EXPECT_EQ(taken(Operation::write), 2U);
    EXPECT_EQ(disk.machine().state(4), ZoneState::full);
    (void)run({});
    EXPECT_EQ(read(4, write_blocks), filled(8));
}

TEST_F(ScsiLost, ZoneActionsAreRepeatedAndDurable) {
    ASSERT_EQ(words(write(4, 0, data)), good);
    ASSERT_EQ(words(run(act(Operation::finish, 4))), good);
    ASSERT_EQ(words(write(5, 0, data)), good);
    restart();
    lose(act(Operation::finish, 4));  // was done
    lose(act(Operation::close, 5));
    lose(act(Operation::close, 6));  // is empty
    lose(act(Operation::open, 6));
    lose({.cdb = zbc::encode_zone_action(Operation::reset, {0, 0, true})});
    for (const auto& answer : recover()) EXPECT_EQ(words(answer), good);
    EXPECT_EQ(taken(Operation::flush), 5U);
    for (const std::uint32_t zone : {4, 5, 6})
        EXPECT_EQ(disk.machine().state(zone), ZoneState::empty);
}

TEST_F(ScsiLost, WritesElsewhereAreRepeated) {
    restart();
    lose(write_of(0, 8, data));  // conventional
    EXPECT_EQ(words(recover_one()), good);
    EXPECT_EQ(taken(Operation::write), 1U);
}

TEST_F(ScsiLost, CommandsThatChangeNothingAreRepeated) {
    ASSERT_EQ(words(write(4, 0, data)), good);
    restart();
    lose({.cdb = zbc::encode_read_16(lba(4), write_blocks), .data_in = data.size()});
    lose({.cdb = zbc::encode_inquiry(std::nullopt, 96), .data_in = 96});
    lose({.cdb = zbc::encode_synchronize_cache_16()});
    const auto answers = recover();
    for (const auto& answer : answers) EXPECT_EQ(words(answer), good);
    EXPECT_EQ(answers[0].data, data);
    EXPECT_EQ(answers[1].data[0], 0x14);
}

TEST_F(ScsiLost, CommandsWithOtherEffectsAreToldAsAReset) {
    restart();
    lose({.cdb = {0x15, 0x10, 0, 0, 24}, .data_out = Bytes(24)});  // MODE SELECT(6)
    lose({.cdb = {0x93}, .data_out = Bytes(block)});               // WRITE SAME(16)
    lose({.cdb = {0xC1}});                                         // not in the standards
    for (const auto& answer : recover()) EXPECT_EQ(words(answer), told_reset);
    EXPECT_TRUE(disk.taken.empty());
}

TEST_F(ScsiLost, EveryUnitsCommandsAreJudgedByItsOwnZones) {
    ASSERT_EQ(words(write(4, 0, data)), good);
    restart();
    auto elsewhere = write_of(4, 0, data);
    elsewhere.lun = 3;
    auto nowhere = elsewhere;
    nowhere.lun = 7;
    lose(elsewhere);
    lose(write_of(4, 0, data));
    lose(nowhere);
    const auto answers = recover();
    EXPECT_EQ(words(answers[0]), good);
    EXPECT_EQ(words(answers[1]), good);
    EXPECT_EQ(answers[2].sense, 0x052500U);
    EXPECT_EQ(taken(Operation::write), 0U);
    EXPECT_EQ(second.machine().state(4), ZoneState::implicit_open);
}

TEST_F(ScsiLost, TheUnitAttentionIsLeftForTheNextCommand) {
    restart();
    lose(write_of(4, 0, data));
    EXPECT_EQ(words(recover_one()), good);
    EXPECT_EQ(run({}).sense, 0x062900U);
    EXPECT_EQ(words(run({})), good);
}

TEST_F(ScsiLost, NothingIsCarriedOutOnceNewCommandsWereTaken) {
    restart();
    lose(write_of(4, 0, data));
    lose(act(Operation::reset, 4));
    for (const auto& answer : recover(virtio::Lost::give_up)) EXPECT_EQ(words(answer), told_reset);
    EXPECT_TRUE(disk.taken.empty());
}

TEST_F(ScsiLost, AFailureOfTheZoneReportIsToldAsAReset) {
    restart();
    (void)run({});  // the unit attention
    lose(write_of(4, 0, data));
    disk.fail_next = StatusCode::io_error;
    EXPECT_EQ(words(recover_one()), told_reset);
    EXPECT_EQ(taken(Operation::write), 0U);
}

TEST_F(ScsiLost, AFailedFlushFailsTheCommand) {
    ASSERT_EQ(words(write(4, 0, data)), good);
    restart();
    lose(act(Operation::reset, 4));
    auto again = virtio::VirtQueue::create(*pair->memory, pair->config(area.get()));
    ASSERT_TRUE(again) << again.error();
    controller->attach(lost_queue, *again);
    disk.hold = true;
    controller->recover(virtio::Lost::judge);
    turn();
    disk.hold = false;
    loop.note_ready();
    // The unit attention, and then the reset itself: the next request is the flush.
    while (taken(Operation::reset) == 0) turn();
    disk.fail_next = StatusCode::io_error;
    do turn();
    while (controller->recovering());
    (void)again->publish();
    EXPECT_EQ(answer_in(lost[0]).sense, 0x044400U);
    controller->detach(lost_queue);
}

class ScsiLostOnAPlainDisk : public ScsiLost {
  protected:
    ScsiLostOnAPlainDisk() : ScsiLost({.conventional = 0, .model = Model::none}) {}
};

TEST_F(ScsiLostOnAPlainDisk, WritesAreRepeated) {
    restart();
    lose(write_of(4, 0, data));
    EXPECT_EQ(words(recover_one()), good);
    EXPECT_EQ(taken(Operation::write), 1U);
    EXPECT_EQ(taken(Operation::read), 0U);
}

}  // namespace
}  // namespace zonebridge::virtio_scsi
