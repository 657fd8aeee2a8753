#include "zbc/zac_identify.h"

#include <functional>
#include <numeric>

#include "tests/unit/zbc/support.h"
#include "zbc/zac.h"

namespace zonebridge::zbc::test {
namespace {

void put_word(Bytes& page, unsigned number, unsigned value) {
    page[2 * number] = static_cast<std::uint8_t>(value);
    page[2 * number + 1] = static_cast<std::uint8_t>(value >> 8);
}
void put_qword(Bytes& page, std::size_t offset, std::uint64_t value) {
    for (unsigned i = 0; i < 8; ++i) page[offset + i] = static_cast<std::uint8_t>(value >> 8 * i);
}
void put_text(Bytes& page, unsigned first, unsigned words, std::string text) {
    text.resize(std::size_t{2} * words, ' ');
    for (std::size_t i = 0; i < text.size(); ++i)
        page[2 * first + (i ^ 1)] = static_cast<std::uint8_t>(text[i]);
}
void seal(Bytes& page) {
    page[510] = 0xA5;
    page[511] = 0;
    const auto sum = std::accumulate(page.begin(), page.end(), 0U);
    page[511] = static_cast<std::uint8_t>(256 - sum % 256);
}

/// A 512e host-managed disk of 0x1000000 sectors.
Bytes identify() {
    Bytes page(512, 0);
    put_word(page, 0, 0x0040);
    put_text(page, 10, 10, "        SN-0042");
    put_text(page, 23, 4, "FW1.7");
    put_text(page, 27, 20, "ZONED DISK 14TB");
    put_word(page, 49, 0x0300);
    put_word(page, 83, 0x4400);
    put_word(page, 84, 0x4160);
    put_qword(page, 200, 0x1000000);
    put_word(page, 106, 0x6003);
    put_word(page, 108, 0x5000);
    put_word(page, 109, 0xC500);
    put_word(page, 110, 0x1234);
    put_word(page, 111, 0x5678);
    put_word(page, 119, 0x4048);
    put_word(page, 120, 0x4040);
    seal(page);
    return page;
}

TEST(ZacIdentify, DecodesTheDisksIdentity) {
    const auto page = identify();
    const auto disk = zac::decode_identify(ByteView(page));
    ASSERT_TRUE(disk) << disk.error();
    EXPECT_EQ(disk->model, "ZONED DISK 14TB");
    EXPECT_EQ(disk->firmware, "FW1.7");
    EXPECT_EQ(disk->serial, "SN-0042");
    EXPECT_EQ(disk->sectors, 0x1000000U);
    EXPECT_EQ(disk->logical_sector_size, 512U);
    EXPECT_EQ(disk->physical_sector_size, 4096U);
    EXPECT_EQ(disk->world_wide_name, 0x5000C50012345678U);
    EXPECT_EQ(disk->zoned, zac::Zoned::not_reported);
    EXPECT_TRUE(disk->logs);
    EXPECT_TRUE(disk->log_dma);
    EXPECT_TRUE(disk->fua);
    EXPECT_TRUE(disk->reports_sense);
}

TEST(ZacIdentify, UnreportedAbilitiesAreAbsent) {
    auto page = identify();
    put_word(page, 84, 0x0160);  // bits 15:14 are not 01b, so the word is not valid
    put_word(page, 119, 0x0048);
    put_word(page, 120, 0xC040);
    put_word(page, 106, 0x8003);
    seal(page);
    const auto disk = zac::decode_identify(ByteView(page));
    ASSERT_TRUE(disk) << disk.error();
    EXPECT_FALSE(disk->logs);
    EXPECT_FALSE(disk->log_dma);
    EXPECT_FALSE(disk->fua);
    EXPECT_FALSE(disk->reports_sense);
    EXPECT_EQ(disk->world_wide_name, std::nullopt);
    EXPECT_EQ(disk->logical_sector_size, 512U);
    EXPECT_EQ(disk->physical_sector_size, 512U);
}

TEST(ZacIdentify, DecodesLargeSectorsAndSizes) {
    auto page = identify();
    put_word(page, 106, 0x5000);  // 4 KiB logical sectors, one to a physical one
    put_word(page, 117, 2048);
    put_word(page, 69, 0x0009);  // the size is in words 230 to 233; host-aware
    put_qword(page, 460, 0x0000ABCDEF012345);
    seal(page);
    const auto disk = zac::decode_identify(ByteView(page));
    ASSERT_TRUE(disk) << disk.error();
    EXPECT_EQ(disk->logical_sector_size, 4096U);
    EXPECT_EQ(disk->physical_sector_size, 4096U);
    EXPECT_EQ(disk->sectors, 0x0000ABCDEF012345U);
    EXPECT_EQ(disk->zoned, zac::Zoned::host_aware);
}

TEST(ZacIdentify, RefusesInvalidData) {
    struct Invalid {
        std::function<void(Bytes&)> spoil;
        const char* says;
    };
    const Invalid cases[] = {
        {[](Bytes& p) { p.resize(511); }, "is 511 bytes, not 512"},
        {[](Bytes& p) { p.clear(); }, "is 0 bytes"},
        {[](Bytes& p) { put_word(p, 0, 0x8580); }, "not an ATA disk's"},
        {[](Bytes& p) { p[20] ^= 1; }, "checksum is wrong"},
        {[](Bytes& p) { put_word(p, 49, 0x0200), seal(p); }, "no DMA"},
        {[](Bytes& p) { put_word(p, 83, 0x4000), seal(p); }, "no 48-bit addresses"},
        {[](Bytes& p) { put_word(p, 83, 0x0400), seal(p); }, "no 48-bit addresses"},
        {[](Bytes& p) { put_qword(p, 200, 0), seal(p); }, "no sectors"},
        {[](Bytes& p) { put_qword(p, 200, ~std::uint64_t{0}), seal(p); }, "more than 48 bits"},
        {[](Bytes& p) { put_word(p, 106, 0x5000), seal(p); }, "its logical sectors have 0"},
        {[](Bytes& p) { put_word(p, 106, 0x5000), put_word(p, 117, 2047), seal(p); },
         "its logical sectors have 4094"},
        {[](Bytes& p) { put_word(p, 106, 0x5000), put_word(p, 118, 0xFFFF), seal(p); },
         "its logical sectors have 8589803520"},
        {[](Bytes& p) { put_word(p, 106, 0x600F), seal(p); }, "its physical sectors have"},
        {[](Bytes& p) { std::fill(p.begin(), p.end(), std::uint8_t{0}); }, "no DMA or no LBAs"},
        {[](Bytes& p) { std::fill(p.begin(), p.end(), std::uint8_t{0xFF}); }, "not an ATA disk's"},
    };
    for (const auto& one : cases) {
        auto page = identify();
        one.spoil(page);
        const auto disk = zac::decode_identify(ByteView(page));
        ASSERT_FALSE(disk) << one.says;
        EXPECT_NE(disk.error().find(one.says), std::string::npos) << disk.error();
    }
}

TEST(ZacIdentify, UnprintableCharactersAreReplaced) {
    auto page = identify();
    put_text(page, 27, 20, "A\x01\xFF\nB");
    seal(page);
    EXPECT_EQ(zac::decode_identify(ByteView(page))->model, "A   B");
}

TEST(ZacIdentify, DecodesTheZonedFieldOfAtaInformation) {
    Bytes page(572, 0);
    page[1] = 0x89;
    page[2] = 0x02;
    page[3] = 0x38;
    page[36] = 0x34;
    page[40] = 1;
    page[56] = 0xEC;
    auto information = zac::decode_ata_information(ByteView(page));
    ASSERT_TRUE(information);
    EXPECT_FALSE(information->host_managed);
    EXPECT_EQ(information->zoned, zac::Zoned::not_reported);
    page[60 + 138] = 2;  // word 69
    EXPECT_EQ(zac::decode_ata_information(ByteView(page))->zoned, zac::Zoned::device_managed);
    page[41] = 0xCD;
    page[42] = 0xAB;
    EXPECT_TRUE(zac::decode_ata_information(ByteView(page))->host_managed);
    page[56] = 0xA1;  // IDENTIFY PACKET DEVICE
    EXPECT_EQ(zac::decode_ata_information(ByteView(page))->zoned, zac::Zoned::not_reported);
    EXPECT_FALSE(zac::decode_ata_information(ByteView(std::span(page).first(571))));
    page[1] = 0x83;
    EXPECT_FALSE(zac::decode_ata_information(ByteView(page)));
}

/// Page `number` of log 30h (IDENTIFY DEVICE data), without contents.
Bytes log_page(std::uint8_t number) {
    Bytes page(512, 0);
    put_qword(page, 0, std::uint64_t{1} << 63 | std::uint64_t{number} << 16 | 1);
    return page;
}
constexpr std::uint64_t valid = std::uint64_t{1} << 63;

TEST(ZacIdentify, FindsPagesInTheListOfPages) {
    auto list = log_page(0);
    list[8] = 3;
    list[10] = 0x03;
    list[11] = 0x09;
    list[12] = 0x05;  // behind the end of the list
    EXPECT_TRUE(zac::lists_page(ByteView(list), 0x03));
    EXPECT_TRUE(zac::lists_page(ByteView(list), 0x09));
    EXPECT_FALSE(zac::lists_page(ByteView(list), 0x05));
    list[8] = 0xFF;
    EXPECT_TRUE(zac::lists_page(ByteView(list), 0x05));
    EXPECT_FALSE(zac::lists_page(ByteView(log_page(3)), 0)) << "another page";
    EXPECT_FALSE(zac::lists_page({}, 0));
}

TEST(ZacIdentify, DecodesTheZonedField) {
    auto page = log_page(3);
    EXPECT_EQ(zac::decode_zoned(ByteView(page)), std::nullopt) << "no field of it is valid";
    put_qword(page, 104, valid);
    EXPECT_EQ(zac::decode_zoned(ByteView(page)), zac::Zoned::not_reported);
    put_qword(page, 104, valid | 1);
    EXPECT_EQ(zac::decode_zoned(ByteView(page)), zac::Zoned::host_aware);
    put_qword(page, 104, valid | 2);
    EXPECT_EQ(zac::decode_zoned(ByteView(page)), zac::Zoned::device_managed);
    page[2] = 4;
    EXPECT_EQ(zac::decode_zoned(ByteView(page)), std::nullopt);
}

TEST(ZacIdentify, DecodesZonedInformation) {
    auto page = log_page(9);
    put_qword(page, 8, valid | 1);
    put_qword(page, 24, valid | 16);
    put_qword(page, 40, valid | 128);
    auto information = zac::decode_zoned_information(ByteView(page));
    ASSERT_TRUE(information);
    EXPECT_TRUE(information->unrestricted_reads);
    EXPECT_EQ(information->optimal_open, 16U);
    EXPECT_EQ(information->max_open, 128U);

    put_qword(page, 8, 1);  // not valid
    put_qword(page, 24, 16);
    put_qword(page, 40, valid | 0xFFFFFFFF);
    information = zac::decode_zoned_information(ByteView(page));
    ASSERT_TRUE(information);
    EXPECT_FALSE(information->unrestricted_reads);
    EXPECT_EQ(information->optimal_open, std::nullopt);
    EXPECT_EQ(information->max_open, std::nullopt);
    put_qword(page, 40, valid);
    EXPECT_EQ(zac::decode_zoned_information(ByteView(page))->max_open, std::nullopt);

    EXPECT_FALSE(zac::decode_zoned_information(ByteView(std::span(page).first(511))));
    page[7] = 0;
    EXPECT_FALSE(zac::decode_zoned_information(ByteView(page))) << "the page is not valid";
}

}  // namespace
}  // namespace zonebridge::zbc::test
