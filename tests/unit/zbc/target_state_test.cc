// The target's state that an initiator can change: stopped or started, the write cache, and
// software write protection.

#include "base/size.h"
#include "tests/unit/zbc/initiator.h"
#include "tests/unit/zone/support.h"
#include "zbc/control.h"

namespace zonebridge::zbc::test {
namespace {

const Bytes stop = hex("1b 00 00 00 00 00");
const Bytes start = hex("1b 00 00 00 01 00");

/// The operations the disk received, without the first `skip`.
std::vector<Operation> operations(const Initiator& initiator, std::size_t skip = 0) {
    std::vector<Operation> all;
    for (const auto& one : initiator.disk.taken) all.push_back(one.operation);
    all.erase(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(skip));
    return all;
}

// ---- START STOP UNIT

TEST(TargetState, AStoppedUnitRefusesOnlyCommandsThatNeedTheMedium) {
    Initiator initiator;
    EXPECT_EQ(initiator.run(stop).words(), "good");
    EXPECT_EQ(operations(initiator), std::vector{Operation::flush});
    for (const auto& info : target_commands()) {
        if (info.target->handler == Handler::start_stop_unit) continue;
        if (info.target->handler == Handler::front_end) continue;  // target_control_test.cc
        Bytes cdb(info.cdb_length);
        cdb[0] = info.opcode;
        if (info.action) cdb[1] = *info.action;
        if (info.target->handler == Handler::mode_select) cdb[1] = 0x10;
        if (info.target->handler == Handler::mode_sense) cdb[2] = 0x3F;
        const auto outcome = initiator.run(cdb, 256, Bytes(256 * 512));
        EXPECT_EQ(outcome.words(), info.target->needs_medium ? "2/04/02" : "good") << info.name;
    }
    EXPECT_EQ(initiator.disk.taken.size(), 1u);
    EXPECT_EQ(initiator.run(hex("03 00 00 00 ff 00"), 255).data,
              hex("70 00 02 00 00 00 00 0a 00 00 00 00 04 02 00 00 00 00"));
    EXPECT_EQ(initiator.run(start).words(), "good");
    EXPECT_EQ(initiator.write(4, 0, 4 * KiB).words(), "good");
    EXPECT_EQ(initiator.run(hex("03 00 00 00 ff 00"), 255).data[2], 0x00);
}

TEST(TargetState, StoppingFlushesUnlessNoFlushIsSet) {
    Initiator initiator;
    EXPECT_EQ(initiator.run(hex("1b 00 00 00 04 00")).words(), "good");
    EXPECT_TRUE(initiator.disk.taken.empty());
    EXPECT_EQ(initiator.run(test_unit_ready).words(), "2/04/02");
    EXPECT_EQ(initiator.run(hex("1b 01 00 00 01 00")).words(), "good") << "IMMED";
    EXPECT_EQ(initiator.run(test_unit_ready).words(), "good");
    initiator.disk.fail_next = StatusCode::io_error;
    EXPECT_EQ(initiator.run(stop).words(), "4/44/00");
    EXPECT_EQ(initiator.run(test_unit_ready).words(), "good") << "the unit is not stopped";
    EXPECT_EQ(initiator.run(stop).words(), "good");
    EXPECT_EQ(initiator.run(stop).words(), "good") << "stopping a stopped unit";
    EXPECT_EQ(initiator.disk.taken.size(), 2u) << "one flush for each STOP, none for the last";
}

TEST(TargetState, AReadOnlyUnitStopsWithoutAFlush) {
    Initiator initiator({}, {.read_only = true});
    EXPECT_EQ(initiator.run(stop).words(), "good");
    EXPECT_TRUE(initiator.disk.taken.empty());
    EXPECT_EQ(initiator.run(test_unit_ready).words(), "2/04/02");
}

TEST(TargetState, AResetStartsAStoppedUnit) {
    Initiator initiator;
    EXPECT_EQ(initiator.run(stop).words(), "good");
    initiator.target->raise(Attention::capacity_changed);
    EXPECT_EQ(initiator.run(test_unit_ready).words(), "6/2A/09")
        << "attentions come before the stopped state";
    EXPECT_EQ(initiator.run(test_unit_ready).words(), "2/04/02");
    initiator.target->reset();
    EXPECT_EQ(initiator.run(test_unit_ready).words(), "6/29/00");
    EXPECT_EQ(initiator.run(test_unit_ready).words(), "good");
}

TEST(TargetState, UnsupportedStartStopOptionsAreRefused) {
    Initiator initiator;
    const auto refused = [&](const char* cdb, FieldPointer field) {
        const auto outcome = initiator.run(hex(cdb));
        EXPECT_EQ(outcome.words(), "5/24/00") << cdb;
        EXPECT_EQ(outcome.sense()->field, field) << cdb;
    };
    refused("1b 00 00 00 02 00", {true, 4, std::uint8_t{1}});  // LOEJ
    refused("1b 00 00 00 03 00", {true, 4, std::uint8_t{1}});
    refused("1b 00 00 01 00 00", {true, 3, std::uint8_t{3}});  // a modifier
    for (const char* cdb : {"1b 00 00 00 20 00", "1b 00 00 00 30 00", "1b 00 00 00 70 00",
                            "1b 00 00 00 a0 00", "1b 00 00 00 b0 00", "1b 00 00 00 f0 00"})
        refused(cdb, {true, 4, std::uint8_t{7}});
    EXPECT_EQ(initiator.run(test_unit_ready).words(), "good");
    EXPECT_EQ(initiator.run(stop).words(), "good");
    EXPECT_EQ(initiator.run(hex("1b 00 00 00 10 00")).words(), "good") << "ACTIVE";
    EXPECT_EQ(initiator.run(test_unit_ready).words(), "good");
}

// ---- The caching page

const Bytes select = hex("15 10 00 00 18 00");
const Bytes cache_off = hex("00*4 08 12 00*18");
const Bytes cache_on = hex("00*4 08 12 04 00*17");

TEST(TargetState, WithoutAWriteCacheEveryWriteIsDurableWhenItCompletes) {
    for (const auto fua : {Support::native, Support::absent}) {
        Initiator initiator({.fua = fua});
        ASSERT_EQ(initiator.run(select, 0, cache_off).words(), "good");
        EXPECT_EQ(operations(initiator), std::vector{Operation::flush})
            << "earlier writes become durable, too";
        ASSERT_EQ(initiator.write(4, 0, 4 * KiB).words(), "good");
        if (fua == Support::native) {
            EXPECT_EQ(operations(initiator, 1), std::vector{Operation::write});
            EXPECT_TRUE(initiator.disk.taken.back().fua);
        } else {
            EXPECT_EQ(operations(initiator, 1), (std::vector{Operation::write, Operation::flush}));
        }
        EXPECT_EQ(initiator.run(hex("1a 08 08 00 ff 00"), 255).data[6], 0x00);
        initiator.disk.taken.clear();
        ASSERT_EQ(initiator.run(select, 0, cache_on).words(), "good");
        ASSERT_EQ(initiator.write(4, 4 * KiB, 4 * KiB).words(), "good");
        EXPECT_EQ(operations(initiator), std::vector{Operation::write});
        EXPECT_FALSE(initiator.disk.taken.back().fua);
        EXPECT_EQ(initiator.run(hex("1a 08 08 00 ff 00"), 255).data[6], 0x04);
    }
}

TEST(TargetState, AWriteInFlightWhenTheCacheIsSwitchedOffIsFlushed) {
    Initiator initiator;
    Bytes data(4 * KiB);
    const iovec buffer{data.data(), data.size()};
    const auto cdb = encode_write_16(initiator.lba(4), 8, false);
    const iovec list{const_cast<std::uint8_t*>(cache_off.data()), cache_off.size()};
    initiator.disk.hold = true;
    const Task write{1, cdb, {&buffer, 1}, {}};
    const Task mode{2, select, {&list, 1}, {}};
    ASSERT_EQ(initiator.queue->submit({&write, 1}), 1u);
    ASSERT_EQ(initiator.queue->submit({&mode, 1}), 1u);
    initiator.disk.hold = false;
    initiator.loop.note_ready();
    EXPECT_EQ(initiator.wait().status, ScsiStatus::good);
    EXPECT_EQ(initiator.wait().status, ScsiStatus::good);
    EXPECT_EQ(operations(initiator),
              (std::vector{Operation::write, Operation::flush, Operation::flush}));
}

TEST(TargetState, WithoutTheWriteCacheEveryZoneActionIsDurable) {
    Initiator initiator;
    ASSERT_EQ(initiator.run(select, 0, cache_off).words(), "good");
    for (const auto action :
         {Operation::open, Operation::close, Operation::finish, Operation::reset}) {
        initiator.disk.taken.clear();
        EXPECT_EQ(initiator.act(action, 4).words(), "good");
        EXPECT_EQ(operations(initiator), (std::vector{action, Operation::flush}));
    }
    initiator.disk.taken.clear();
    EXPECT_EQ(initiator.act_all(Operation::reset).words(), "good");
    EXPECT_EQ(operations(initiator), (std::vector{Operation::reset, Operation::flush}));

    // A refused action is not flushed; a failed flush fails the action.
    initiator.disk.taken.clear();
    initiator.disk.broken[5] = ZoneState::offline;
    EXPECT_NE(initiator.act(Operation::reset, 5).words(), "good");
    EXPECT_EQ(operations(initiator), std::vector{Operation::reset});
    const auto cdb = encode_zone_action(Operation::open, {initiator.lba(4), 1, false});
    const Task open{1, cdb, {}, {}};
    ASSERT_EQ(initiator.queue->submit({&open, 1}), 1u);
    initiator.disk.fail_next = StatusCode::io_error;  // fails the flush
    const auto result = initiator.wait();
    ASSERT_EQ(result.status, ScsiStatus::check_condition);
    EXPECT_EQ(words(decode_sense(std::span(result.sense).first(result.sense_length))), "4/44/00");
}

TEST(TargetState, AResetSwitchesTheWriteCacheOnAgain) {
    Initiator initiator;
    ASSERT_EQ(initiator.run(select, 0, cache_off).words(), "good");
    EXPECT_EQ(initiator.run(test_unit_ready).words(), "good")
        << "the initiator gets no attention for its own change";
    EXPECT_EQ(initiator.run(hex("1a 08 08 00 ff 00"), 255).data[6], 0x00);
    initiator.target->reset();
    EXPECT_EQ(initiator.run(test_unit_ready).words(), "6/29/00");
    EXPECT_EQ(initiator.run(test_unit_ready).words(), "good");
    EXPECT_EQ(initiator.run(hex("1a 08 08 00 ff 00"), 255).data[6], 0x04);
}

TEST(TargetState, AFailedFlushFailsSwitchingTheCacheOff) {
    Initiator initiator;
    initiator.disk.fail_next = StatusCode::io_error;
    const auto outcome = initiator.run(select, 0, cache_off);
    EXPECT_EQ(outcome.words(), "4/44/00");
    EXPECT_EQ(outcome.result.data_out_length, 0u);
}

// ---- The control page

TEST(TargetState, SoftwareWriteProtectionRefusesChangesUntilItIsReleased) {
    Initiator initiator;
    const auto protect = hex("00*4 0a 0a 00 10 08 00 00 00 ff ff 00 00");
    const auto release = hex("00*4 0a 0a 00 10 00 00 00 00 ff ff 00 00");
    const auto select_control = hex("15 10 00 00 10 00");
    ASSERT_EQ(initiator.run(select_control, 0, protect).words(), "good");
    EXPECT_EQ(operations(initiator), std::vector{Operation::flush});
    EXPECT_EQ(initiator.write(4, 0, 4 * KiB).words(), "7/27/02");
    EXPECT_EQ(initiator.act(Operation::open, 4).words(), "7/27/02");
    EXPECT_EQ(initiator.act_all(Operation::reset).words(), "7/27/02");
    EXPECT_EQ(initiator.read(4, 0, 4 * KiB).words(), "good");
    EXPECT_EQ(initiator.run(hex("1a 08 0a 00 ff 00"), 255).data[2] & 0x80, 0x80);
    ASSERT_EQ(initiator.run(select_control, 0, release).words(), "good");
    EXPECT_EQ(initiator.run(hex("1a 08 0a 00 ff 00"), 255).data[2] & 0x80, 0x00);
    EXPECT_EQ(initiator.write(4, 0, 4 * KiB).words(), "good");
    EXPECT_EQ(initiator.write(4, 4 * KiB, 4 * KiB).words(), "good");
    ASSERT_EQ(initiator.run(select_control, 0, protect).words(), "good");
    initiator.target->reset();
    (void)initiator.run(test_unit_ready);
    EXPECT_EQ(initiator.write(4, 8 * KiB, 4 * KiB).words(), "good")
        << "the reset ended the protection";
}

// ---- Unit attentions

TEST(TargetState, EachAttentionIsReportedOnceInOrderOfPriority) {
    Initiator initiator;
    const std::pair<Attention, const char*> rows[] = {{Attention::inquiry_changed, "6/3F/03"},
                                                      {Attention::mode_changed, "6/2A/01"},
                                                      {Attention::capacity_changed, "6/2A/09"},
                                                      {Attention::luns_changed, "6/3F/0E"}};
    for (const auto& [attention, words] : rows) {
        initiator.target->raise(attention);
        initiator.target->raise(attention);
        EXPECT_EQ(initiator.run(encode_inquiry(std::nullopt, 96), 96).words(), "good");
        EXPECT_EQ(initiator.run(encode_read_16(0, 8), 4096).words(), words);
        EXPECT_EQ(initiator.run(encode_read_16(0, 8), 4096).words(), "good");
    }
    for (const auto& row : rows) initiator.target->raise(row.first);
    for (const char* words : {"6/2A/09", "6/2A/01", "6/3F/0E", "6/3F/03", "good"})
        EXPECT_EQ(initiator.run(test_unit_ready).words(), words);
}

TEST(TargetState, RequestSenseTakesAttentionsOneByOne) {
    Initiator initiator;
    initiator.target->raise(Attention::capacity_changed);
    initiator.target->raise(Attention::luns_changed);
    const auto request_sense = hex("03 00 00 00 ff 00");
    const auto code = [&] {
        const auto data = initiator.run(request_sense, 255).data;
        return data[2] << 16 | data[12] << 8 | data[13];
    };
    EXPECT_EQ(code(), 0x062A09);
    EXPECT_EQ(code(), 0x063F0E);
    EXPECT_EQ(code(), 0);
    EXPECT_EQ(initiator.run(test_unit_ready).words(), "good");
}

}  // namespace
}  // namespace zonebridge::zbc::test
