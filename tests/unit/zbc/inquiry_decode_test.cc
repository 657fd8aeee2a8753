// The host's decoders of INQUIRY, READ CAPACITY and MODE SENSE data: they read what the encoders
// wrote, and read truncated or inconsistent pages without leaving the buffer.

#include "zbc/inquiry_decode.h"

#include "tests/unit/zbc/support.h"
#include "zbc/control.h"
#include "zbc/inquiry.h"

namespace zonebridge::zbc::test {
namespace {

Unit unit() {
    Unit unit;
    unit.model = Model::host_managed;
    unit.blocks = 0x123456789;
    unit.block_size = 4096;
    unit.physical_exponent = 3;
    unit.max_transfer_blocks = 1024;
    unit.max_open = 128;
    unit.zone_granularity_blocks = 65536;
    unit.vendor = "ZB";
    unit.product = "a disk";
    unit.revision = "1.0";
    unit.serial = "S123";
    unit.unique_id = 0x1122334455667788;
    return unit;
}

Bytes vpd(const Unit& unit, std::uint8_t page) {
    Bytes bytes(max_inquiry_length);
    bytes.resize(encode_vpd(unit, page, bytes).value());
    return bytes;
}

std::span<const std::uint8_t> body(const Bytes& page) {
    return vpd_body(page, page[1]).value();
}

TEST(InquiryDecode, StandardInquiryDataGiveTypeVendorProductAndRevision) {
    Bytes bytes(max_inquiry_length);
    bytes.resize(encode_standard_inquiry(unit(), bytes));
    const auto inquiry = decode_standard_inquiry(bytes);
    ASSERT_TRUE(inquiry);
    EXPECT_EQ(inquiry->type, StandardInquiry::type_host_managed);
    EXPECT_EQ(inquiry->qualifier, 0);
    EXPECT_EQ(inquiry->vendor, "ZB");
    EXPECT_EQ(inquiry->product, "a disk");
    EXPECT_EQ(inquiry->revision, "1.0");
    bytes[0] = 0x7F;
    bytes[8] = 0x07;  // not printable
    EXPECT_EQ(decode_standard_inquiry(bytes)->qualifier, 3);
    EXPECT_EQ(decode_standard_inquiry(bytes)->vendor, "B");
    bytes.resize(35);
    EXPECT_FALSE(decode_standard_inquiry(bytes));
}

TEST(InquiryDecode, APageOtherThanTheRequestedOneIsRejected) {
    const auto page = vpd(unit(), 0xB6);
    EXPECT_FALSE(vpd_body(page, 0xB1)) << "another page";
    EXPECT_FALSE(vpd_body(std::span(page).first(3), 0xB6));
    auto inconsistent = page;
    inconsistent[2] = 0xFF;  // claims more than the page has
    EXPECT_EQ(vpd_body(inconsistent, 0xB6)->size(), page.size() - 4);
    inconsistent[2] = 0;
    inconsistent[3] = 2;  // claims less than the page has
    EXPECT_EQ(vpd_body(inconsistent, 0xB6)->size(), 2u);
}

TEST(InquiryDecode, PageZeroListsTheSupportedPages) {
    const auto page = vpd(unit(), 0x00);
    const auto pages = decode_supported_pages(body(page));
    EXPECT_EQ(pages.count(), 9u);
    for (const auto number : {0x00, 0x80, 0x83, 0x86, 0x87, 0xB0, 0xB1, 0xB2, 0xB6})
        EXPECT_TRUE(pages.test(static_cast<std::size_t>(number))) << number;
}

TEST(InquiryDecode, SpacesAroundSerialNumbersAreTrimmed) {
    const auto page = vpd(unit(), 0x80);
    EXPECT_EQ(decode_serial_number(body(page)), "S123");
    EXPECT_EQ(decode_serial_number(hex("20 20 41 20 42 20 00")), "A B");
    EXPECT_EQ(decode_serial_number(hex("20 20")), "");
    EXPECT_EQ(decode_serial_number({}), "");
}

TEST(InquiryDecode, TheStrongestDesignatorOfTheLogicalUnitIsChosen) {
    const auto page = vpd(unit(), 0x83);
    const auto naa = best_designator(body(page));
    ASSERT_TRUE(naa);
    EXPECT_EQ(naa->kind, Designator::Kind::naa);
    EXPECT_EQ(naa->bytes, hex("31 22 33 44 55 66 77 88"));
    // The target port has an NAA designator, the logical unit a T10 one.
    const auto port = hex("01 13 00 08 51 51 51 51 51 51 51 51  02 01 00 02 41 42");
    EXPECT_EQ(best_designator(port), (Designator{Designator::Kind::t10, hex("41 42")}));
    EXPECT_EQ(best_designator(hex("01 03 00 08 00*8")), std::nullopt) << "all zero";
    EXPECT_EQ(best_designator(hex("01 03 00 ff 51 51")), std::nullopt) << "cut off";
    EXPECT_EQ(best_designator(hex("01 03 00 00")), std::nullopt) << "empty";
    EXPECT_EQ(best_designator(hex("01 03 00")), std::nullopt);
}

TEST(InquiryDecode, BlockLimitsAndZonedCharacteristicsAreDecoded) {
    const auto limits = vpd(unit(), 0xB0);
    EXPECT_EQ(decode_block_limits(body(limits)).max_transfer_blocks, 1024u);
    EXPECT_EQ(decode_block_limits({}).max_transfer_blocks, 0u);

    auto described = unit();
    const auto zones = vpd(described, 0xB6);
    const auto characteristics = decode_zoned_characteristics(body(zones));
    EXPECT_TRUE(characteristics.reads_past_pointer);
    EXPECT_EQ(characteristics.max_open, 128u);
    EXPECT_EQ(characteristics.optimal_open, std::nullopt);
    EXPECT_EQ(characteristics.alignment_method, 8);
    EXPECT_EQ(characteristics.granularity_blocks, 65536u);
    described.max_open = std::nullopt;
    described.reads_past_pointer = false;
    const auto unlimited = vpd(described, 0xB6);
    EXPECT_EQ(decode_zoned_characteristics(body(unlimited)).max_open, std::nullopt);
    EXPECT_FALSE(decode_zoned_characteristics(body(unlimited)).reads_past_pointer);
    EXPECT_FALSE(decode_zoned_characteristics({}).reads_past_pointer)
        << "restricted reads are the safe assumption";
    EXPECT_EQ(decode_zoned_characteristics({}).max_open, std::nullopt);

    EXPECT_EQ(decode_zoned_field(body(vpd(unit(), 0xB1))), ZonedField::none);
    described.model = Model::host_aware;
    EXPECT_EQ(decode_zoned_field(body(vpd(described, 0xB1))), ZonedField::host_aware);
    EXPECT_EQ(decode_zoned_field(hex("00*4 20")), ZonedField::drive_managed);
}

TEST(InquiryDecode, ReadCapacity16IsDecoded) {
    Bytes bytes(32);
    bytes.resize(encode_read_capacity_16(unit(), bytes));
    const auto capacity = decode_read_capacity_16(bytes);
    ASSERT_TRUE(capacity);
    EXPECT_EQ(capacity->last_lba, 0x123456788u);
    EXPECT_EQ(capacity->block_size, 4096u);
    EXPECT_EQ(capacity->physical_exponent, 3);
    EXPECT_EQ(capacity->basis, 1);
    EXPECT_FALSE(decode_read_capacity_16(std::span(bytes).first(13)));
}

TEST(InquiryDecode, ModeHeadersOfBothSizesAreDecoded) {
    const auto ten = decode_mode_header_10(hex("00 06 00 90 00 00 00 00"));
    ASSERT_TRUE(ten);
    EXPECT_TRUE(ten->write_protected);
    EXPECT_TRUE(ten->dpo_fua);
    const auto six = decode_mode_header_6(hex("03 00 10 00"));
    ASSERT_TRUE(six);
    EXPECT_FALSE(six->write_protected);
    EXPECT_TRUE(six->dpo_fua);
    EXPECT_FALSE(decode_mode_header_10(hex("00 06 00 90 00 00 00")));
    EXPECT_FALSE(decode_mode_header_6(hex("03 00 10")));
}

}  // namespace
}  // namespace zonebridge::zbc::test
