// The edits to a passed-through disk's replies, with every allocation length; other replies are
// unchanged.

#include <algorithm>

#include "tests/unit/zbc/support.h"
#include "zbc/passthrough.h"

namespace zonebridge::zbc::test {
namespace {

constexpr std::uint64_t enough = 0x10000;

/// A disk, by the replies it gives.
struct Disk {
    Bytes pages;                  // VPD page 00h
    std::optional<Bytes> limits;  // VPD page B0h
    PassthroughFacts facts;
};

PassthroughFacts reply_facts(bool has_limits, std::uint64_t max_transfer = 512 * 1024) {
    PassthroughFacts facts;
    facts.max_transfer = max_transfer;
    facts.has_block_limits = has_limits;
    facts.peripheral = 0x14;
    return facts;
}

/// An ATA disk behind a SATL: it has page 89h, and page B0h with a transfer length of 64 Ki blocks.
Disk ata_disk() {
    return {hex("14 00 00 08 00 80 83 89 B0 B1 B2 B6"),
            hex("14 B0 00 3C 00 00 00 01 00 01 00 00 00 00 00 00 00*48"), reply_facts(true)};
}
/// A SAS disk: it has no page 89h; page B0h has maximum, optimal and atomic lengths.
Disk sas_disk() {
    return {hex("14 00 00 0B 00 03 80 83 86 87 8A 90 B0 B1 B6"),
            hex("14 B0 00 3C 01 00 00 08 00 00 02 00 00 00 01 00 00*28"
                " 00 00 80 00 00 00 00 08 00 00 00 08 00 00 40 00 00 00 00 00"),
            reply_facts(true)};
}
/// scsi_debug: no maximum length (0), an optimal length of 1024 blocks.
Disk debug_disk() {
    return {hex("14 00 00 0F 00 80 83 84 85 86 87 88 89 B0 B1 B2 B6 B7 B9"),
            hex("14 B0 00 3C 00 00 00 01 00 00 00 00 00 00 04 00 00*48"), reply_facts(true)};
}
/// A disk without page B0h.
Disk plain_disk() {
    return {hex("14 00 00 06 00 80 83 89 B1 B6"), std::nullopt, reply_facts(false)};
}

Bytes inquiry(std::uint8_t page, std::size_t allocation) {
    return {0x12,
            0x01,
            page,
            static_cast<std::uint8_t>(allocation >> 8),
            static_cast<std::uint8_t>(allocation),
            0};
}

/// The bytes that arrive in the task's buffers when the disk sends `reply`, truncated at the
/// allocation length of the CDB that it was sent.
Bytes answer(const Disk& disk, const Bytes& cdb, const Bytes& reply,
             const Allowed& allowed = Allowed()) {
    const auto plan = plan_passthrough(ByteView(cdb), allowed, disk.facts, 0, enough);
    EXPECT_TRUE(plan);
    if (!plan) return {};
    Bytes buffer(plan->length, 0xEE);
    std::size_t arrived = 0;
    if (plan->direction == Direction::in) {
        arrived = std::min<std::size_t>(plan->length, reply.size());
        std::copy_n(reply.begin(), arrived, buffer.begin());
    }
    buffer.resize(edit_reply(*plan, disk.facts, allowed, buffer, arrived));
    return buffer;
}

Bytes cut(Bytes bytes, std::size_t length) {
    bytes.resize(std::min(bytes.size(), length));
    return bytes;
}

/// Expects the edited page, truncated at the allocation length, for every such length from 0 to
/// 300.
void expect_page(const Disk& disk, std::uint8_t page, const Bytes& from_disk, const Bytes& edited) {
    for (std::size_t allocation = 0; allocation <= 300; ++allocation)
        ASSERT_EQ(to_hex(answer(disk, inquiry(page, allocation), from_disk)),
                  to_hex(cut(edited, allocation)))
            << "allocation length " << allocation;
}

// ---- VPD page 00h.

TEST(ReplyEdit, AtaInformationIsRemovedFromTheListOfPages) {
    expect_page(ata_disk(), 0x00, ata_disk().pages, hex("14 00 00 07 00 80 83 B0 B1 B2 B6"));
    expect_page(sas_disk(), 0x00, sas_disk().pages, sas_disk().pages);
    expect_page(debug_disk(), 0x00, debug_disk().pages,
                hex("14 00 00 0E 00 80 83 84 85 86 87 88 B0 B1 B2 B6 B7 B9"));
}

TEST(ReplyEdit, SynthesizedBlockLimitsAreAddedToTheListOfPages) {
    expect_page(plain_disk(), 0x00, plain_disk().pages, hex("14 00 00 06 00 80 83 B0 B1 B6"));
    expect_page(plain_disk(), 0x00, hex("14 00 00 02 00 80"), hex("14 00 00 03 00 80 B0"));
    expect_page(plain_disk(), 0x00, hex("14 00 00 02 00 B1"), hex("14 00 00 03 00 B0 B1"));
    expect_page(plain_disk(), 0x00, hex("14 00 00 04 80 8A 90 B1"),
                hex("14 00 00 05 80 8A 90 B0 B1"));
    expect_page(plain_disk(), 0x00, hex("14 00 00 01 89"), hex("14 00 00 01 B0"));
    expect_page(plain_disk(), 0x00, hex("14 00 00 00"), hex("14 00 00 01 B0"));
    expect_page(plain_disk(), 0x00, hex("14 00 00 03 00 B0 B1"), hex("14 00 00 03 00 B0 B1"));
}

TEST(ReplyEdit, AWrongListLengthIsBoundedByTheReply) {
    expect_page(ata_disk(), 0x00, hex("14 00 FF FF 00 80 89"), hex("14 00 00 02 00 80"));
    expect_page(ata_disk(), 0x00, hex("14 00 00 02 00 80 89 B0"), hex("14 00 00 02 00 80"));
    expect_page(ata_disk(), 0x00, hex("14 00 00"), hex("14 00 00"));
    expect_page(ata_disk(), 0x00, hex("14 83 00 03 00 80 89"), hex("14 83 00 03 00 80 89"));
    expect_page(ata_disk(), 0x00, Bytes(), Bytes());
}

TEST(ReplyEdit, TheLongestListStaysWithinItsBuffer) {
    Bytes pages = hex("14 00 00 F8");
    for (unsigned code = 0; code < 248; ++code) pages.push_back(code == 0xB0 ? 0xF9 : code);
    std::replace(pages.begin() + 4, pages.end(), 0x89, 0xFA);
    EXPECT_EQ(answer(plain_disk(), inquiry(0x00, 300), pages).size(), 252U);
}

TEST(ReplyEdit, AtaInformationIsRefusedWithAnyAllocationLength) {
    for (const std::size_t allocation : {0, 1, 4, 252, 572, 0xFFFF}) {
        const auto cdb = inquiry(0x89, allocation);
        const auto plan = plan_passthrough(ByteView(cdb), Allowed(), reply_facts(true), 0, enough);
        ASSERT_FALSE(plan);
        EXPECT_EQ(words(plan.error().sense), "5/24/00");
        EXPECT_EQ(plan.error().sense.field->byte, 2);
        EXPECT_EQ(plan.error().why, Refused::hidden);
    }
}

// ---- VPD page B0h.

TEST(ReplyEdit, TransferLimitsAreTheSmallerOfTheDisksAndThePathsLimits) {
    // 512 KiB are 400h blocks.
    expect_page(ata_disk(), 0xB0, *ata_disk().limits,
                hex("14 B0 00 3C 00 00 00 01 00 00 04 00 00 00 00 00 00*48"));
    expect_page(debug_disk(), 0xB0, *debug_disk().limits,
                hex("14 B0 00 3C 00 00 00 01 00 00 04 00 00 00 04 00 00*48"));
    expect_page(sas_disk(), 0xB0, *sas_disk().limits,
                hex("14 B0 00 3C 01 00 00 08 00 00 02 00 00 00 01 00 00*28"
                    " 00 00 04 00 00 00 00 08 00 00 00 08 00 00 04 00 00 00 00 00"));
}

TEST(ReplyEdit, AnOptimalLengthBeyondThePathsLimitIsReduced) {
    auto disk = debug_disk();
    disk.facts.max_transfer = 128 * 1024;
    expect_page(disk, 0xB0, *disk.limits,
                hex("14 B0 00 3C 00 00 00 01 00 00 01 00 00 00 01 00 00*48"));
    disk.facts.block_size = 4096;
    expect_page(disk, 0xB0, *disk.limits,
                hex("14 B0 00 3C 00 00 00 01 00 00 00 20 00 00 00 20 00*48"));
}

TEST(ReplyEdit, AShortPageOfLimitsIsExtendedByTheEditedFields) {
    expect_page(ata_disk(), 0xB0, hex("00 B0 00 0C 00 00 00 01 00 01 00 00 00 00 00 80"),
                hex("00 B0 00 0C 00 00 00 01 00 00 04 00 00 00 00 80"));
    expect_page(ata_disk(), 0xB0, hex("00 B0 00 04 00 00 00 01"),
                hex("00 B0 00 0C 00 00 00 01 00 00 04 00 00 00 00 00"));
    expect_page(ata_disk(), 0xB0, hex("00 B0 00 00"), hex("00 B0 00 0C 00*6 04 00 00*4"));
    expect_page(ata_disk(), 0xB0, hex("00 B0"), hex("00 B0"));
    expect_page(ata_disk(), 0xB0, hex("00 B1 00 04 01 02 03 04"), hex("00 B1 00 04 01 02 03 04"));
}

TEST(ReplyEdit, ADiskWithoutBlockLimitsGetsThePage) {
    expect_page(plain_disk(), 0xB0, Bytes(), hex("14 B0 00 3C 00*6 04 00 00*52"));
    const auto cdb = inquiry(0xB0, 64);
    const auto plan = plan_passthrough(ByteView(cdb), Allowed(), plain_disk().facts, 0, 64);
    ASSERT_TRUE(plan);
    EXPECT_EQ(plan->edit, Edit::made_up_block_limits);
    EXPECT_EQ(plan->direction, Direction::none) << "no command is sent to the disk";
}

TEST(ReplyEdit, ALimitBelowABlockOrBeyondTheFieldIsClamped) {
    auto disk = plain_disk();
    disk.facts.max_transfer = 100;
    EXPECT_EQ(to_hex(answer(disk, inquiry(0xB0, 12), {})), to_hex(hex("14 B0 00 3C 00*7 01")));
    disk.facts.max_transfer = ~std::uint64_t{0};
    EXPECT_EQ(to_hex(answer(disk, inquiry(0xB0, 12), {})), to_hex(hex("14 B0 00 3C 00*4 FF*4")));
}

TEST(ReplyEdit, APageIsFetchedWholeWithTheInitiatorsCdbOtherwiseUnchanged) {
    const auto cdb = inquiry(0xB0, 4);
    const auto plan = plan_passthrough(ByteView(cdb), Allowed(), reply_facts(true), 0, 4);
    ASSERT_TRUE(plan);
    EXPECT_EQ(to_hex(plan->cdb_bytes()), to_hex(hex("12 01 B0 00 FC 00")));
    EXPECT_EQ(plan->length, 252U);
    EXPECT_EQ(plan->reply_limit, 4U);
}

// ---- Replies that are not edited.

TEST(ReplyEdit, OtherRepliesAreNotEdited) {
    for (const auto* const text : {"12 00 00 00 24 00",
                                   "12 01 80 00 FF 00",
                                   "12 01 83 00 FF 00",
                                   "12 01 B1 00 40 00",
                                   "12 01 B6 00 40 00",
                                   "12 01 00 00 00 00",
                                   "12 01 B0 00 00 00",
                                   "12 02 00 00 24 00",
                                   "12 00 B0 00 24 00",
                                   "25 00*9",
                                   "9E 10 00*8 00 00 00 20 00 00",
                                   "95 00 00*8 00 00 10 00 00 00",
                                   "1A 00 3F 00 FF 00",
                                   "5A 00 3F 00*4 01 00 00",
                                   "4D 00*6 01 00 00",
                                   "03 00 00 00 FC 00",
                                   "A3 0D 00*4 00 00 00 10 00 00",
                                   "A3 0C 01 28 00 00 00 00 00 40 00 00",
                                   "A3 0C 02 94 00 04 00 00 00 40 00 00",
                                   "28 00*6 00 08 00"}) {
        const auto cdb = hex(text);
        const auto plan = plan_passthrough(ByteView(cdb), Allowed(), reply_facts(true), 0, enough);
        ASSERT_TRUE(plan) << text;
        EXPECT_EQ(plan->edit, Edit::none) << text;
        EXPECT_EQ(to_hex(plan->cdb_bytes()), to_hex(cdb));
    }
}

// ---- MODE SENSE.

TEST(ReplyEdit, ADiskServedReadOnlyIsWriteProtected) {
    auto disk = sas_disk();
    disk.facts.read_only = true;
    const auto six = hex("17 00 10 08 00*8 08 12 04 00*17");
    const auto ten = hex("00 1E 00 10 00 00 00 08 00*8 0A 0A 00*10");
    for (std::size_t allocation = 0; allocation < 256; ++allocation) {
        auto cdb = hex("1A 00 3F 00 00 00");
        cdb[4] = static_cast<std::uint8_t>(allocation);
        auto expected = six;
        expected[2] = 0x90;  // WP is set, DPOFUA is unchanged
        ASSERT_EQ(to_hex(answer(disk, cdb, six)), to_hex(cut(expected, allocation)));

        cdb = hex("5A 00 3F 00*4 00 00 00");
        cdb[8] = static_cast<std::uint8_t>(allocation);
        expected = ten;
        expected[3] = 0x90;
        ASSERT_EQ(to_hex(answer(disk, cdb, ten)), to_hex(cut(expected, allocation)));
    }
}

// ---- REPORT SUPPORTED OPERATION CODES.

Bytes rsoc(std::uint8_t options, std::uint8_t opcode, std::uint8_t action, std::size_t allocation) {
    auto cdb = hex("A3 0C 00*10");
    cdb[2] = options;
    cdb[3] = opcode;
    cdb[5] = action;
    cdb[8] = static_cast<std::uint8_t>(allocation >> 8);
    cdb[9] = static_cast<std::uint8_t>(allocation);
    return cdb;
}

TEST(ReplyEdit, CommandsThatDoNotPassAreRemovedFromTheList) {
    const auto reply =
        hex("00 00 00 50"
            " 00 00 00 00 00 00 00 06"    // TEST UNIT READY
            " 3B 00 00 05 00 01 00 0A"    // WRITE BUFFER, by mode
            " 3B 00 00 00 00 00 00 0A"    // WRITE BUFFER
            " 95 00 00 00 00 01 00 10"    // REPORT ZONES
            " 95 00 00 08 00 01 00 10"    // ZONE ACTIVATE
            " 7F 00 00 0B 00 01 00 20"    // WRITE(32)
            " A0 00 00 00 00 00 00 0C"    // REPORT LUNS
            " C1 00 00 00 00 00 00 0A"    // a vendor's command
            " 9E 00 00 10 00 01 00 10"    // READ CAPACITY(16)
            " 93 00 00 00 00 00 00 10");  // WRITE SAME(16)
    const auto kept =
        hex("00 00 00 20"
            " 00 00 00 00 00 00 00 06"
            " 95 00 00 00 00 01 00 10"
            " A0 00 00 00 00 00 00 0C"
            " 9E 00 00 10 00 01 00 10");
    for (std::size_t allocation = 0; allocation <= 300; ++allocation)
        ASSERT_EQ(to_hex(answer(sas_disk(), rsoc(0, 0, 0, allocation), reply)),
                  to_hex(cut(kept, allocation)))
            << allocation;
    const auto allowed = parse_allowed("write-buffer,0xC1,variable-length").value();
    EXPECT_EQ(to_hex(answer(sas_disk(), rsoc(0, 0, 0, 300), reply, allowed)),
              to_hex(hex("00 00 00 40"
                         " 00 00 00 00 00 00 00 06"
                         " 3B 00 00 05 00 01 00 0A"
                         " 3B 00 00 00 00 00 00 0A"
                         " 95 00 00 00 00 01 00 10"
                         " 7F 00 00 0B 00 01 00 20"
                         " A0 00 00 00 00 00 00 0C"
                         " C1 00 00 00 00 00 00 0A"
                         " 9E 00 00 10 00 01 00 10")));
}

TEST(ReplyEdit, AnOpcodeWithModesIsListedIfAnyModePasses) {
    const auto list = hex("00 00 00 08 3B 00 00 00 00 00 00 0A");
    const auto one = hex("00 03 00 0A 3B 1F FF FF FF FF FF FF FF 00");
    const auto allowed = parse_allowed("0x3B/0x1C").value();
    EXPECT_EQ(to_hex(answer(sas_disk(), rsoc(0, 0, 0, 300), list, allowed)), to_hex(list));
    EXPECT_EQ(to_hex(answer(sas_disk(), rsoc(1, 0x3B, 0, 300), one, allowed)), to_hex(one));
    EXPECT_EQ(to_hex(answer(sas_disk(), rsoc(0, 0, 0, 300), list)), to_hex(hex("00 00 00 00")));
    EXPECT_EQ(to_hex(answer(sas_disk(), rsoc(1, 0x3B, 0, 300), one)), to_hex(hex("00 01 00 00")));
    EXPECT_EQ(to_hex(answer(sas_disk(), rsoc(3, 0x3B, 5, 300), one, allowed)),
              to_hex(hex("00 01 00 00")))
        << "another mode";
}

TEST(ReplyEdit, TimeoutsAreRemovedWithTheirCommands) {
    const auto reply =
        hex("00 00 00 30"
            " 42 00 00 00 00 02 00 0A 00 0A 00 00 00 00 00 01 00 00 00 02"
            " 28 00 00 00 00 02 00 0A 00 0A 00 00 00 00 00 03 00 00 00 04"
            " 04 00 00 00 00 00 00 06");
    EXPECT_EQ(to_hex(answer(sas_disk(), rsoc(0x80, 0, 0, 300), reply)),
              to_hex(hex("00 00 00 14"
                         " 28 00 00 00 00 02 00 0A 00 0A 00 00 00 00 00 03 00 00 00 04")));
}

TEST(ReplyEdit, AWrongLengthOfTheCommandListIsBoundedByTheReply) {
    const auto says = [](std::string_view reply) {
        return to_hex(answer(sas_disk(), rsoc(0, 0, 0, 300), hex(reply)));
    };
    EXPECT_EQ(says("FF FF FF FF 28 00*6 0A"), to_hex(hex("00 00 00 08 28 00*6 0A")));
    EXPECT_EQ(says("00 00 00 10 28 00*6 0A 2A 00"), to_hex(hex("00 00 00 08 28 00*6 0A")));
    EXPECT_EQ(says("00 00 00 08 28 00*4 02 00 0A"), to_hex(hex("00 00 00 00")))
        << "the timeouts are missing";
    EXPECT_EQ(says("00 00 00 00 28 00*6 0A"), to_hex(hex("00 00 00 00")));
    EXPECT_EQ(says("00 00"), to_hex(hex("00 00")));
}

TEST(ReplyEdit, AReportOnOneCommandThatDoesNotPassSaysNotSupported) {
    const auto claimed = hex("00 83 00 0A 3B 1F FF FF FF FF FF FF FF 00 00 0A 00*10");
    for (std::size_t allocation = 0; allocation <= 300; ++allocation)
        for (const auto& cdb : {rsoc(0x01, 0x42, 0, allocation), rsoc(0x81, 0x04, 0, allocation),
                                rsoc(0x02, 0x9E, 0x18, allocation), rsoc(0x03, 0x3B, 5, allocation),
                                rsoc(0x03, 0xC1, 0, allocation)})
            ASSERT_EQ(to_hex(answer(sas_disk(), cdb, claimed)),
                      to_hex(cut(hex("00 01 00 00"), allocation)));
    // Reports on commands that pass are the disk's own.
    const auto allowed = parse_allowed("unmap,remove-element,0xC1").value();
    for (const auto& cdb :
         {rsoc(0x01, 0x28, 0, 300), rsoc(0x02, 0x94, 0x02, 300), rsoc(0x03, 0x9E, 0x10, 300),
          rsoc(0x01, 0x42, 0, 300), rsoc(0x02, 0x9E, 0x18, 300), rsoc(0x03, 0xC1, 0, 300),
          rsoc(0x01, 0xA0, 0, 300), rsoc(0x03, 0x28, 0, 300)})
        EXPECT_EQ(to_hex(answer(sas_disk(), cdb, claimed, allowed)), to_hex(claimed));
}

}  // namespace
}  // namespace zonebridge::zbc::test
