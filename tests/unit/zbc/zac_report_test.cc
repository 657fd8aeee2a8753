#include "tests/unit/zbc/support.h"
#include "zbc/zac.h"

namespace zonebridge::zbc::test {
namespace {

/// One header and two descriptors: a conventional zone and an open one, 64 Ki sectors each.
Bytes ata_report() {
    return hex(
        "80 00 00 00 03 00*3  ff ff 01 00 00*4  00 00 01 00 00*4  00*40"
        " 01 00 00*6  00 00 01 00 00*4  00*8                ff*8  00*32"
        " 02 32 00*6  00 00 01 00 00*4  00 00 01 00 00*4  34 12 01 00 00*4  00*32");
}

TEST(ZacReport, IsDecodedInAtasByteOrder) {
    const auto bytes = ata_report();
    ASSERT_EQ(bytes.size(), 192U);
    const auto header = zac::decode_report_header(bytes);
    ASSERT_TRUE(header);
    EXPECT_EQ(header->list_bytes, 128U);
    EXPECT_EQ(header->max_lba, 0x1FFFFU);
    EXPECT_EQ(header->granularity_blocks, 0x10000U);
    EXPECT_EQ(descriptors_in(*header, bytes.size()), 2U);

    const auto first = zac::decode_zone_descriptor(bytes, 0);
    ASSERT_TRUE(first);
    EXPECT_EQ(first->type, 1);
    EXPECT_EQ(first->condition, 0);
    EXPECT_EQ(first->start, 0U);
    EXPECT_EQ(first->length, 0x10000U);

    const auto second = zac::decode_zone_descriptor(bytes, 1);
    ASSERT_TRUE(second);
    EXPECT_EQ(second->type, 2);
    EXPECT_EQ(second->condition, 3) << "the other bits of the byte are ignored";
    EXPECT_EQ(second->start, 0x10000U);
    EXPECT_EQ(second->length, 0x10000U);
    EXPECT_EQ(second->write_pointer, 0x11234U);
    const auto zone = read_zone(*second, 512);
    ASSERT_TRUE(zone) << zone.error();
    EXPECT_EQ(zone->state, ZoneState::explicit_open);
    EXPECT_EQ(zone->write_pointer, std::uint64_t{0x11234} * 512);
}

TEST(ZacReport, NothingIsReadBeyondTheBuffer) {
    const auto bytes = ata_report();
    EXPECT_FALSE(zac::decode_zone_descriptor(bytes, 2));
    EXPECT_FALSE(zac::decode_zone_descriptor(bytes, ~std::size_t{0}));
    EXPECT_FALSE(zac::decode_zone_descriptor(std::span(bytes).first(191), 1));
    EXPECT_FALSE(zac::decode_zone_descriptor({}, 0));
    EXPECT_FALSE(zac::decode_report_header(std::span(bytes).first(63)));
    EXPECT_TRUE(zac::decode_report_header(std::span(bytes).first(64)));
}

}  // namespace
}  // namespace zonebridge::zbc::test
