// Answers to the guest of a passed-through disk that do not come from the disk: unit attentions,
// refusals and edited pages. Also the lines for the log.

#include "tests/unit/transports/scsi/passed_queue.h"

namespace zonebridge::scsi::test {
namespace {

TEST_F(PassedQueueTest, APendingAttentionIsReportedOnce) {
    start({.attention = true});
    // INQUIRY does not report the attention. REQUEST SENSE returns it as data.
    EXPECT_EQ(run(bytes(zbc::encode_inquiry(std::nullopt, 96)), 96).result.status,
              ScsiStatus::good);
    const auto sense = submit(bytes({0x03, 0, 0, 0, 252, 0}), 252);
    EXPECT_EQ(wait(sense).result.data_in_length, 18u);
    EXPECT_EQ(in_of(sense)[2], 0x06);
    EXPECT_EQ(in_of(sense)[12], 0x29);
    EXPECT_EQ(target_->count(0x03), 0u);
    EXPECT_EQ(run(bytes({0, 0, 0, 0, 0, 0})).result.status, ScsiStatus::good);
    EXPECT_EQ(run(bytes({0x03, 0, 0, 0, 252, 0}), 252).result.status, ScsiStatus::good);
    EXPECT_EQ(target_->count(0x03), 1u)
        << "no attention is pending, so the command goes to the disk";

    facts_->attentions.reset();
    gate_->forget();
    // The attention also comes before a refusal.
    EXPECT_EQ(run(bytes({0xC1, 0, 0, 0, 0, 0, 0, 0, 0, 0})).sense_code, 0x062900u);
    EXPECT_EQ(run(bytes({0xC1, 0, 0, 0, 0, 0, 0, 0, 0, 0})).sense_code, 0x052000u);
    EXPECT_TRUE(gate_->began().empty());
}

TEST_F(PassedQueueTest, UnitAttentionsOfTheDiskArePassedOn) {
    start();
    target_->instead = {{0x88, {check_condition(0x6, 0x2A, 0x09)}}};
    EXPECT_EQ(run(read_cdb(0, 8), 8 * block).sense_code, 0x062A09u);
    EXPECT_EQ(run(read_cdb(0, 8), 8 * block).result.status, ScsiStatus::good);
}

TEST_F(PassedQueueTest, AResetByTheKernelRaisesAnAttention) {
    start();
    Answer late;
    late.host = host_byte::time_out;
    gate_->answer(0x88, late);
    EXPECT_EQ(run(read_cdb(0, 8), 8 * block).result.delivery, Delivery::failure);
    EXPECT_EQ(run(bytes({0, 0, 0, 0, 0, 0})).sense_code, 0x062900u);
    EXPECT_EQ(run(bytes({0, 0, 0, 0, 0, 0})).result.status, ScsiStatus::good);
}

TEST_F(PassedQueueTest, EachForbiddenCommandIsLoggedOnce) {
    start();
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(run(bytes({0x3B, 0x05, 0, 0, 0, 0, 0, 0, 4, 0}), 0, Bytes(4)).sense_code,
                  0x052000u);
        EXPECT_EQ(run(bytes({0x55, 0x10, 0, 0, 0, 0, 0, 0, 4, 0}), 0, Bytes(4)).sense_code,
                  0x052000u);
    }
    ASSERT_EQ(lines().size(), 2u);
    EXPECT_NE(lines()[0].find("WRITE BUFFER"), std::string::npos) << lines()[0];
    EXPECT_NE(lines()[0].find("to allow it, serve the disk with --allow write-buffer"),
              std::string::npos);
    EXPECT_NE(lines()[1].find("to allow it, serve the disk with --allow mode-select"),
              std::string::npos);
    EXPECT_TRUE(gate_->began().empty());
}

TEST_F(PassedQueueTest, AGuestCannotFillTheLog) {
    start();
    for (unsigned opcode = 0xC0; opcode <= 0xFF; ++opcode)
        for (int i = 0; i < 3; ++i)
            run({static_cast<std::uint8_t>(opcode), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
    EXPECT_EQ(lines().size(), 10u);
}

TEST(PassthroughLog, ARefusalThatTheLimitLeftOutIsLoggedWhenItComesAgain) {
    lines().clear();
    PassthroughLog log("/dev/sdz", note);
    const zbc::NotSent refusal{zbc::Refused::not_allowed, zbc::Delivery::done, {}};
    constexpr RateLimit::Clock::time_point begin{std::chrono::hours{100}};
    const auto refuse = [&](std::uint8_t opcode, RateLimit::Clock::time_point now) {
        log.refused(Bytes{opcode, 0, 0, 0, 0, 0, 0, 0, 0, 0}, refusal, now);
    };
    for (std::uint8_t opcode = 0xC0; opcode <= 0xCA; ++opcode) refuse(opcode, begin);
    EXPECT_EQ(lines().size(), 10u);
    for (int i = 0; i < 2; ++i) refuse(0xCA, begin + std::chrono::minutes{1});
    ASSERT_EQ(lines().size(), 11u);
    EXPECT_NE(lines()[10].find("--allow 0xCA"), std::string::npos) << lines()[10];
    EXPECT_NE(lines()[10].find("(1 more were not logged)"), std::string::npos) << lines()[10];
}

TEST_F(PassedQueueTest, AllowedCommandsReachTheDisk) {
    start({.allow = "write-buffer"});
    run(bytes({0x3B, 0x05, 0, 0, 0, 0, 0, 0, 4, 0}), 0, Bytes(4));
    EXPECT_EQ(target_->count(0x3B), 1u);
    EXPECT_EQ(gate_->began().back().direction, Direction::out);
    EXPECT_EQ(gate_->began().back().length, 4u);
}

TEST_F(PassedQueueTest, AReadOnlyDiskGetsNoCommandThatChangesIt) {
    start({.read_only = true});
    gate_->forget();
    EXPECT_EQ(run(write_cdb(zone(3), 8), 0, Bytes(8 * block)).sense_code, 0x072700u);
    for (const auto operation :
         {Operation::open, Operation::close, Operation::finish, Operation::reset})
        EXPECT_EQ(run(bytes(zbc::encode_zone_action(operation, {zone(3)}))).sense_code, 0x072700u);
    EXPECT_TRUE(gate_->began().empty());
    EXPECT_EQ(run(read_cdb(0, 8), 8 * block).result.status, ScsiStatus::good);
    const auto mode = submit(bytes({0x1A, 0, 0x3F, 0, 252, 0}), 252);
    EXPECT_EQ(wait(mode).result.status, ScsiStatus::good);
    EXPECT_EQ(in_of(mode)[2] & 0x80, 0x80) << "the WP bit";
}

TEST_F(PassedQueueTest, EditedPagesAreCutAtTheAllocationLength) {
    start();
    const auto whole = submit(bytes(zbc::encode_inquiry(0x00, 255)), 255);
    const auto length = wait(whole).result.data_in_length;
    ASSERT_GT(length, 8u);
    for (const std::uint16_t allocation : {0, 1, 4, 5, 8}) {
        const auto cut = submit(bytes(zbc::encode_inquiry(0x00, allocation)), 255);
        EXPECT_EQ(wait(cut).result.data_in_length, allocation);
        EXPECT_TRUE(
            std::equal(in_of(cut).begin(), in_of(cut).begin() + allocation, in_of(whole).begin()));
        EXPECT_TRUE(std::all_of(in_of(cut).begin() + allocation, in_of(cut).end(),
                                [](auto byte) { return byte == 0; }));
    }
    const auto limits = submit(bytes(zbc::encode_inquiry(0xB0, 255)), 255);
    EXPECT_EQ(wait(limits).result.data_in_length, 64u);
    EXPECT_EQ(ByteView(in_of(limits)).be32(8), disk_.limits.max_transfer / block);
    EXPECT_EQ(run(bytes(zbc::encode_inquiry(0x89, 255)), 255).sense_code, 0x052400u);
    // A refusal by the disk is passed on unedited.
    target_->instead = {{0x12, {check_condition(0x5, 0x24, 0x00)}}};
    const auto refused = run(bytes(zbc::encode_inquiry(0xB0, 255)), 255);
    EXPECT_EQ(refused.sense_code, 0x052400u);
    EXPECT_EQ(refused.result.data_in_length, 0u);
}

TEST_F(PassedQueueTest, RefusalsOfZoneCommandsAreReported) {
    start();
    EXPECT_EQ(run(write_cdb(zone(3), 8), 0, Bytes(8 * block)).result.status, ScsiStatus::good);
    EXPECT_EQ(run(write_cdb(zone(3) + 16, 8), 0, Bytes(8 * block)).sense_code, 0x052104u);
    ASSERT_EQ(sink_.refusals.size(), 1u);
    const auto& refusal = sink_.refusals[0];
    EXPECT_EQ(refusal.operation, Operation::write);
    EXPECT_EQ(refusal.offset, (zone(3) + 16) * block);
    EXPECT_EQ(refusal.length, 8u * block);
    EXPECT_EQ(refusal.status.code, StatusCode::unaligned_write);
    ASSERT_TRUE(refusal.zone);
    EXPECT_EQ(refusal.zone->start, zone(3) * block);
    EXPECT_EQ(refusal.zone->write_pointer, (zone(3) + 8) * block);
    EXPECT_EQ(refusal.zone->state, ZoneState::implicit_open);

    EXPECT_EQ(run(bytes(zbc::encode_zone_action(Operation::reset, {0}))).sense_code, 0x052400u);
    ASSERT_EQ(sink_.refusals.size(), 2u);
    EXPECT_EQ(sink_.refusals[1].operation, Operation::reset);
    EXPECT_EQ(sink_.refusals[1].status.code, StatusCode::not_sequential);
    // Failures that do not concern zones are not reported. Nothing looks up the zone if the sink
    // wants no refusals.
    EXPECT_EQ(run(read_cdb(1 << 30, 8), 8 * block).sense_code, 0x052100u);
    sink_.wanted = false;
    gate_->forget();
    EXPECT_EQ(run(write_cdb(zone(3) + 16, 8), 0, Bytes(8 * block)).sense_code, 0x052104u);
    EXPECT_EQ(gate_->began().size(), 1u) << "the zone is not looked up";
    EXPECT_EQ(sink_.refusals.size(), 2u);
}

TEST_F(PassedQueueTest, AnAttentionThatTheZoneReportReceivedIsNotLost) {
    start();
    target_->instead = {{0x95, {check_condition(0x6, 0x2A, 0x09)}}};
    EXPECT_EQ(run(write_cdb(zone(3) + 16, 8), 0, Bytes(8 * block)).sense_code, 0x052104u);
    ASSERT_EQ(sink_.refusals.size(), 1u);
    EXPECT_FALSE(sink_.refusals[0].zone);
    EXPECT_EQ(target_->count(0x95), 1u);
    EXPECT_EQ(run(bytes({0, 0, 0, 0, 0, 0})).sense_code, 0x062A09u);
    EXPECT_EQ(run(bytes({0, 0, 0, 0, 0, 0})).result.status, ScsiStatus::good);
}

}  // namespace
}  // namespace zonebridge::scsi::test
