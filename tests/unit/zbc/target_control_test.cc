// The target's commands without I/O, its unit attentions and its mode pages.

#include "tests/unit/zbc/initiator.h"
#include "zbc/control.h"

namespace zonebridge::zbc::test {
namespace {

const Bytes request_sense = hex("03 00 00 00 ff 00");
constexpr auto reset_sense = "70 00 06 00 00 00 00 0a 00 00 00 00 29 00 00 00 00 00";
constexpr auto no_sense = "70 00 00 00 00 00 00 0a 00 00 00 00 00 00 00 00 00 00";

TEST(TargetControl, EachResetIsReportedOnce) {
    Initiator initiator;
    for (int resets = 0; resets < 2; ++resets) {
        initiator.target->reset();
        EXPECT_EQ(initiator.run(encode_read_16(0, 8), 4096).words(), "6/29/00");
        EXPECT_EQ(initiator.run(encode_read_16(0, 8), 4096).words(), "good");
    }
    initiator.target->reset();
    EXPECT_EQ(initiator.run(hex("42 00*9")).words(), "6/29/00")
        << "the attention comes before the check of the opcode";
}

TEST(TargetControl, InquiryNeitherReportsNorClearsAnAttention) {
    Initiator initiator;
    initiator.target->reset();
    EXPECT_EQ(initiator.run(encode_inquiry(std::nullopt, 96), 96).words(), "good");
    EXPECT_EQ(initiator.run(test_unit_ready).words(), "6/29/00");
    EXPECT_EQ(initiator.run(test_unit_ready).words(), "good");
}

TEST(TargetControl, RequestSenseReturnsAndClearsTheAttention) {
    Initiator initiator;
    EXPECT_EQ(initiator.run(request_sense, 252).data, hex(no_sense));
    initiator.target->reset();
    EXPECT_EQ(initiator.run(request_sense, 252).data, hex(reset_sense));
    EXPECT_EQ(initiator.run(request_sense, 252).data, hex(no_sense));
    initiator.target->reset();
    EXPECT_EQ(initiator.run(hex("03 01 00 00 ff 00"), 252).data, hex("72 06 29 00 00 00 00 00"));
    EXPECT_EQ(initiator.run(hex("03 01 00 00 ff 00"), 252).data, hex("72 00 00 00 00 00 00 00"));
    EXPECT_EQ(initiator.run(hex("03 00 00 00 04 00"), 252).data, hex("70 00 00 00"));
    EXPECT_EQ(initiator.run(test_unit_ready).words(), "good");
}

TEST(TargetControl, AWriteRefusedByAnAttentionWritesNothing) {
    Initiator initiator;
    initiator.target->reset();
    EXPECT_EQ(initiator.write(4, 0, 4096).words(), "6/29/00");
    EXPECT_TRUE(initiator.disk.taken.empty());
    EXPECT_EQ(initiator.write(4, 0, 4096).words(), "good");
}

TEST(TargetControl, DescriptorSenseHoldsUntilAReset) {
    Initiator initiator;
    const auto set = hex("00*4 0a 0a 04 10 00 00 00 00 ff ff 00 00");
    EXPECT_EQ(initiator.run(hex("15 10 00 00 10 00"), 0, set).words(), "good");
    const auto format = [&] { return initiator.run(hex("42 00*9")).result.sense[0]; };
    EXPECT_EQ(format(), 0x72);
    EXPECT_EQ(initiator.run(hex("1a 08 0a 00 ff 00"), 255).data[6], 0x04);
    const auto far = initiator.run(encode_read_16(std::uint64_t{1} << 40, 1), 512);
    EXPECT_EQ(far.sense()->information, std::uint64_t{1} << 40);
    initiator.target->reset();
    (void)initiator.run(test_unit_ready);
    EXPECT_EQ(format(), 0x70);
}

TEST(TargetControl, ModeSelectNeedsItsWholeList) {
    Initiator initiator;
    const auto set = hex("00*4 0a 0a 04 10 00 00 00 00 ff ff 00 00");
    EXPECT_EQ(initiator.run(hex("15 10 00 00 20 00"), 0, set).words(), "overrun");
    EXPECT_EQ(initiator.run(hex("15 10 00 00 0f 00"), 0, set).words(), "5/1A/00");
    EXPECT_EQ(initiator.run(hex("55 10 00*5 ff ff 00"), 0, Bytes(65535)).words(), "5/1A/00");
    EXPECT_EQ(initiator.run(hex("15 10 00 00 00 00")).words(), "good");
    const auto select = initiator.run(hex("15 10 00 00 10 00"), 0, set);
    EXPECT_EQ(select.result.data_out_length, 16u);
}

TEST(TargetControl, AllocationLengthsTruncateEveryReply) {
    Initiator initiator;
    struct Row {
        const char* cdb;
        std::size_t at;
        std::size_t width;
    };
    const Row rows[] = {
        {"12 00 00 00 00 00", 3, 2},
        {"12 01 b6 00 00 00", 3, 2},
        {"12 01 00 00 00 00", 3, 2},
        {"12 01 83 00 00 00", 3, 2},
        {"1a 00 3f 00 00 00", 4, 1},
        {"5a 00 3f 00*4 00 00 00", 7, 2},
        {"03 00 00 00 00 00", 4, 1},
        {"9e 10 00*8 00*4 00 00", 10, 4},
        {"a3 0c 00 00 00 00 00*4 00 00", 6, 4},
        {"a3 0c 81 88 00 00 00*4 00 00", 6, 4},
        {"a3 0d 00 00 00 00 00*4 00 00", 6, 4},
        {"a3 0d 80 00 00 00 00*4 00 00", 6, 4},
    };
    for (const auto& row : rows) {
        auto cdb = hex(row.cdb);
        cdb[row.at + row.width - 1] = 0xFF;
        const auto whole = initiator.run(cdb, 255).data;
        for (std::size_t length = 0; length <= whole.size(); ++length) {
            cdb[row.at + row.width - 1] = static_cast<std::uint8_t>(length);
            EXPECT_EQ(initiator.run(cdb, 255).data,
                      Bytes(whole.begin(), whole.begin() + static_cast<int>(length)))
                << row.cdb;
        }
    }
}

TEST(TargetControl, AReplyThatDoesNotFitItsBuffersIsAnOverrun) {
    Initiator initiator;
    EXPECT_EQ(initiator.run(encode_inquiry(std::nullopt, 96), 95).words(), "overrun");
    EXPECT_EQ(initiator.run(encode_inquiry(std::nullopt, 96)).words(), "overrun");
    EXPECT_EQ(initiator.run(encode_inquiry(std::nullopt, 255), 96).words(), "good");
    EXPECT_EQ(initiator.run(hex("25 00*9"), 7).words(), "overrun");
    EXPECT_EQ(initiator.run(encode_inquiry(std::nullopt, 0)).words(), "good");
}

TEST(TargetControl, InvalidInquiriesAreRefused) {
    Initiator initiator;
    EXPECT_EQ(initiator.run(hex("12 00 80 00 ff 00"), 255).words(), "5/24/00") << "no EVPD";
    EXPECT_EQ(initiator.run(hex("12 01 89 00 ff 00"), 255).words(), "5/24/00") << "not an ATA disk";
    EXPECT_EQ(initiator.run(hex("12 02 00 00 ff 00"), 255).words(), "5/24/00") << "CMDDT";
    EXPECT_EQ(initiator.run(hex("12 00 00 00 ff 04"), 255).words(), "5/24/00") << "NACA";
}

TEST(TargetControl, TheFrontEndAnswersReportLuns) {
    Initiator initiator;
    EXPECT_EQ(initiator.run(hex("a0 00*5 00 00 10 00 00 00"), 16).words(), "5/20/00");
    const std::array<std::uint64_t, 1> luns{0};
    const auto ask = [&](const Bytes& cdb) {
        Outcome outcome;
        outcome.data.resize(16);
        const iovec buffer{outcome.data.data(), outcome.data.size()};
        outcome.result = answer_absent({9, cdb, {}, {&buffer, 1}}, luns);
        return outcome;
    };
    EXPECT_EQ(ask(hex("a0 00*5 00 00 10 00 00 00")).data, hex("00 00 00 08 00*12"));
    EXPECT_EQ(ask(hex("a0 ff 00 ff ff ff 00 00 10 00 ff fb")).data, hex("00 00 00 08 00*12"))
        << "reserved bits";
    EXPECT_EQ(ask(hex("a0 00*5 00 00 00 0f 00 00")).words(), "5/24/00");
    EXPECT_EQ(ask(hex("a0 00 03 00*3 00 00 00 10 00 00")).words(), "5/24/00");
}

TEST(TargetControl, UnknownCommandsAreRefused) {
    Initiator initiator;
    for (const auto& info : target_commands()) EXPECT_NE(info.opcode, 0x42);
    EXPECT_EQ(initiator.run(hex("42 00*9")).words(), "5/20/00") << "UNMAP";
    EXPECT_EQ(initiator.run(hex("93 00*15")).words(), "5/20/00") << "WRITE SAME";
    EXPECT_EQ(initiator.run(hex("85 00*15")).words(), "5/20/00") << "ATA PASS-THROUGH";
    EXPECT_EQ(initiator.run(hex("9e 11 00*14")).words(), "5/24/00");
}

TEST(TargetControl, AnAbsentLogicalUnitAnswersTheMandatoryCommands) {
    const std::array<std::uint64_t, 1> luns{0};
    Bytes data(255);
    const iovec buffer{data.data(), data.size()};
    const auto ask = [&](const Bytes& cdb) {
        Outcome outcome;
        outcome.result = answer_absent({9, cdb, {}, {&buffer, 1}}, luns);
        outcome.data.assign(data.begin(),
                            data.begin() + static_cast<int>(outcome.result.data_in_length));
        return outcome;
    };
    const auto inquiry = ask(hex("12 00 00 00 ff 00"));
    EXPECT_EQ(inquiry.result.tag, 9u);
    EXPECT_EQ(inquiry.data.size(), 36u);
    EXPECT_EQ(inquiry.data[0], 0x7F);
    EXPECT_EQ(ask(hex("12 01 80 00 ff 00")).words(), "5/24/00");
    EXPECT_EQ(ask(hex("a0 00*5 00 00 10 00 00 00")).data, hex("00 00 00 08 00*12"));
    EXPECT_EQ(ask(request_sense).data[12], 0x25);
    EXPECT_EQ(ask(test_unit_ready).words(), "5/25/00");
    EXPECT_EQ(ask(hex("42 00*9")).words(), "5/25/00");
    EXPECT_EQ(ask({}).words(), "5/25/00");
}

TEST(TargetControl, ADiskThatScsiCannotDescribeIsRefusedWithAReason) {
    MachineDisk disk(
        {.zone_size = 64 << 10, .logical_block_size = 4096, .physical_block_size = 512});
    const auto target = make_target(disk);
    ASSERT_FALSE(target);
    EXPECT_EQ(target.error().message,
              "memory: can't be shown as a SCSI disk: its physical block is 512 bytes, its logical "
              "4096");
}

TEST(TargetControl, AQueueOfDepthZeroIsRefused) {
    Initiator initiator;
    EXPECT_FALSE(initiator.target->open_queue(initiator.loop, 0));
    EXPECT_EQ(initiator.queue->depth(), 8u);
}

}  // namespace
}  // namespace zonebridge::zbc::test
