// The host's decoder of REPORT ZONES data: a good disk's data become zones of the model; a bad
// disk's are refused with a reason, and never lead outside the buffer.

#include "zbc/report_decode.h"

#include <random>

#include "tests/unit/zbc/support.h"

namespace zonebridge::zbc::test {
namespace {

RawZone raw(std::uint8_t type, std::uint8_t condition, std::uint64_t start, std::uint64_t length,
            std::uint64_t pointer) {
    return {type, condition, length, start, pointer};
}

constexpr std::uint64_t none = ~std::uint64_t{0};

TEST(ReportDecode, EncodedReportsAreDecoded) {
    Bytes bytes;
    const ReportedZone zones[] = {
        {ReportedType::conventional, ZoneState::not_write_pointer, 0, 65536, std::nullopt},
        {ReportedType::sequential_write_required, ZoneState::closed, 65536, 49152, 65536 + 4096},
        {ReportedType::gap, ZoneState::not_write_pointer, 114688, 16384, std::nullopt},
        {ReportedType::sequential_write_required, ZoneState::full, 131072, 49152, std::nullopt},
    };
    const auto header = encode_report_header({4, 0, 1023, 128});
    bytes.insert(bytes.end(), header.begin(), header.end());
    for (const auto& zone : zones) {
        const auto one = encode_zone_descriptor(zone, 512);
        bytes.insert(bytes.end(), one.begin(), one.end());
    }
    const auto read = decode_report_header(bytes);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->list_bytes, 256u);
    EXPECT_EQ(read->max_lba, 1023u);
    EXPECT_EQ(read->granularity_blocks, 128u);
    ASSERT_EQ(descriptors_in(*read, bytes.size()), 4u);
    for (std::size_t i = 0; i < 4; ++i) {
        const auto one = decode_zone_descriptor(bytes, i);
        ASSERT_TRUE(one);
        EXPECT_EQ(read_zone(*one, 512).value(), zones[i]) << i;
    }
    EXPECT_FALSE(decode_zone_descriptor(bytes, 4));
}

TEST(ReportDecode, AWrongListLengthIsBoundedByTheBuffer) {
    EXPECT_FALSE(decode_report_header(Bytes(63)));
    EXPECT_EQ(descriptors_in({0xFFFFFFFF, 0, 0}, 64 + 130), 2u);
    EXPECT_EQ(descriptors_in({0xFFFFFFFF, 0, 0}, 63), 0u);
    EXPECT_EQ(descriptors_in({100, 0, 0}, 4096), 1u) << "only whole descriptors count";
    EXPECT_FALSE(decode_zone_descriptor(Bytes(64 + 127), 1));
    EXPECT_FALSE(decode_zone_descriptor(Bytes(64 + 128), ~std::size_t{0}));
    EXPECT_FALSE(decode_zone_descriptor(Bytes(64 + 128), ~std::size_t{0} / 64));
}

TEST(ReportDecode, OnlyWritableZonesHaveAWritePointer) {
    for (const std::uint8_t condition : {0xD, 0xE, 0xF})
        EXPECT_EQ(read_zone(raw(2, condition, 128, 128, 7), 512)->write_pointer, std::nullopt);
    EXPECT_EQ(read_zone(raw(1, 0, 0, 128, 55), 512)->write_pointer, std::nullopt);
    EXPECT_EQ(read_zone(raw(5, 0xE, 0, 128, 55), 512)->state, ZoneState::not_write_pointer)
        << "a gap's condition is ignored";
    for (const std::uint8_t condition : {1, 2, 3, 4})
        EXPECT_EQ(read_zone(raw(2, condition, 128, 128, 130), 512)->write_pointer, 130 * 512u);
}

TEST(ReportDecode, UnusableZonesAreRefusedWithAReason) {
    const struct {
        RawZone zone;
        const char* words;
    } rows[] = {
        {raw(4, 1, 0, 128, 0), "sequential or before required"},
        {raw(0, 1, 0, 128, 0), "type 0h is reserved"},
        {raw(6, 1, 0, 128, 0), "type 6h is reserved"},
        {raw(0xF, 1, 0, 128, 0), "type Fh is reserved"},
        {raw(2, 5, 0, 128, 0), "inactive"},
        {raw(2, 6, 0, 128, 0), "condition 6h is reserved"},
        {raw(2, 0xC, 0, 128, 0), "condition Ch is reserved"},
        {raw(2, 0, 0, 128, 0), "has no write pointer"},
        {raw(1, 1, 0, 128, 0), "conventional, but its condition is empty"},
        {raw(1, 0xE, 0, 128, 0), "conventional, but its condition is full"},
        {raw(2, 1, 0, 0, 0), "no length"},
        {raw(2, 1, 0, none, 0), "more than a disk can have"},
        {raw(2, 1, none, 128, none), "more than a disk can have"},
        {raw(2, 1, none / 512, 128, none / 512), "more than a disk can have"},
        {raw(2, 2, 128, 128, 127), "block 127, is outside"},
        {raw(2, 2, 128, 128, 257), "block 257, is outside"},
        {raw(2, 2, 128, 128, none), "is outside"},
    };
    for (const auto& row : rows) {
        const auto zone = read_zone(row.zone, 512);
        ASSERT_FALSE(zone) << row.words;
        EXPECT_NE(zone.error().find(row.words), std::string::npos) << zone.error();
    }
}

TEST(ReportDecode, RandomBytesAreDecodedOrRefused) {
    std::mt19937_64 random(7);
    std::size_t good = 0;
    for (int round = 0; round < 20'000; ++round) {
        Bytes bytes(random() % 400);
        for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random());
        const auto header = decode_report_header(bytes);
        if (!header) continue;
        ZoneFolder folder;
        const auto count = descriptors_in(*header, bytes.size());
        for (std::size_t i = 0; i < count; ++i) {
            const auto one = decode_zone_descriptor(bytes, i);
            ASSERT_TRUE(one);
            // Also with small numbers, so that some descriptors are valid.
            const auto small =
                raw(static_cast<std::uint8_t>(one->type % 7), one->condition, one->start % 512,
                    one->length % 512 + 1, one->write_pointer % 512);
            for (const auto& each : {*one, small}) {
                const auto zone = read_zone(each, 4096);
                if (!zone) continue;
                ++good;
                if (zone->write_pointer) {
                    EXPECT_GE(*zone->write_pointer, zone->start);
                    EXPECT_LE(*zone->write_pointer, zone->start + zone->length);
                }
                static_cast<void>(folder.add(*zone));
            }
        }
    }
    EXPECT_GT(good, 1000u);
}

TEST(ZoneFolder, AGapBelongsToTheZoneBeforeIt) {
    const auto first = read_zone(raw(2, 2, 128, 96, 130), 512).value();
    const auto gap = read_zone(raw(5, 0, 224, 32, none), 512).value();
    const auto second = read_zone(raw(2, 1, 256, 96, 256), 512).value();
    ZoneFolder folder;
    EXPECT_EQ(folder.add(first).value(), std::nullopt);
    EXPECT_EQ(folder.add(gap).value(), std::nullopt);
    const Zone whole{128 * 512,
                     128 * 512,
                     96 * 512,
                     130 * 512,
                     ZoneType::sequential_write_required,
                     ZoneState::implicit_open};
    EXPECT_EQ(folder.add(second).value(), whole);
    const auto last = folder.finish();
    ASSERT_TRUE(last);
    EXPECT_EQ(last->length, last->capacity);
    EXPECT_EQ(folder.finish(), std::nullopt);
}

TEST(ZoneFolder, AMisplacedGapIsRefused) {
    const auto gap = read_zone(raw(5, 0, 224, 32, none), 512).value();
    EXPECT_FALSE(ZoneFolder().add(gap)) << "no zone is before it";
    ZoneFolder elsewhere;
    ASSERT_TRUE(elsewhere.add(read_zone(raw(2, 1, 128, 95, 128), 512).value()));
    EXPECT_FALSE(elsewhere.add(gap)) << "the zone before it does not end there";
    ZoneFolder conventional;
    ASSERT_TRUE(conventional.add(read_zone(raw(1, 0, 128, 96, none), 512).value()));
    EXPECT_FALSE(conventional.add(gap)) << "the zone before it is conventional";
}

}  // namespace
}  // namespace zonebridge::zbc::test
