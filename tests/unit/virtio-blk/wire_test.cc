#include "virtio-blk/wire.h"

#include <cstring>

#include <gtest/gtest.h>

namespace zonebridge::virtio_blk {
namespace {

TEST(BlkWire, ARequestHeaderIsDecoded) {
    const std::array<std::uint8_t, 16> bytes{15,   0,    0,    0,    0xEE, 0xEE, 0xEE, 0xEE,
                                             0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01};
    const auto header = decode_request(bytes);
    EXPECT_EQ(header.type, RequestType::zone_append);
    EXPECT_EQ(header.sector, 0x0102030405060708U);
}

TEST(BlkWire, ExactlyTheSupportedTypesAreDecoded) {
    unsigned known = 0;
    for (std::uint32_t number = 0; number < 300; ++number) {
        std::array<std::uint8_t, 16> bytes{static_cast<std::uint8_t>(number),
                                           static_cast<std::uint8_t>(number >> 8)};
        const auto header = decode_request(bytes);
        if (!header.type) continue;
        ++known;
        EXPECT_EQ(static_cast<std::uint32_t>(*header.type), number);
        EXPECT_EQ(is_zone_request(*header.type), number >= 15);
    }
    EXPECT_EQ(known, 13U);
    std::array<std::uint8_t, 16> high{0, 0, 0, 0x80};
    EXPECT_FALSE(decode_request(high).type) << "no bit of the type is ignored";
}

TEST(BlkWire, ASegmentIsDecoded) {
    const std::array<std::uint8_t, 16> bytes{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 1, 0, 0, 0};
    const auto segment = decode_segment(bytes);
    EXPECT_EQ(segment.sector, 0x0807060504030201U);
    EXPECT_EQ(segment.sectors, 0x0C0B0A09U);
    EXPECT_TRUE(segment.unmap);
    EXPECT_FALSE(segment.unknown_flags);
    for (unsigned bit = 1; bit < 32; ++bit) {
        std::array<std::uint8_t, 16> flagged{};
        flagged[12 + bit / 8] = static_cast<std::uint8_t>(1 << bit % 8);
        EXPECT_TRUE(decode_segment(flagged).unknown_flags) << bit;
        EXPECT_FALSE(decode_segment(flagged).unmap) << bit;
    }
}

std::array<std::uint8_t, 64> descriptor(std::initializer_list<std::uint64_t> numbers,
                                        std::uint8_t type, std::uint8_t state) {
    std::array<std::uint8_t, 64> bytes{};
    std::size_t at = 0;
    for (const auto number : numbers) {
        std::memcpy(bytes.data() + at, &number, 8);
        at += 8;
    }
    bytes[24] = type;
    bytes[25] = state;
    return bytes;
}

TEST(BlkWire, AZoneIsEncodedInSectors) {
    Zone zone{.start = 8 << 20,
              .length = 4 << 20,
              .capacity = 3 << 20,
              .write_pointer = (8 << 20) + 4096,
              .type = ZoneType::sequential_write_required,
              .state = ZoneState::implicit_open};
    EXPECT_EQ(encode(zone), descriptor({6144, 16384, 16392}, 2, 2));
    zone.state = ZoneState::full;
    zone.write_pointer.reset();
    EXPECT_EQ(encode(zone), descriptor({6144, 16384, 24576}, 2, 14)) << "the end of the zone";
    for (const auto state : {ZoneState::read_only, ZoneState::offline}) {
        zone.state = state;
        EXPECT_EQ(encode(zone), descriptor({6144, 16384, ~std::uint64_t{0}}, 2,
                                           static_cast<std::uint8_t>(state)));
    }
    zone.type = ZoneType::conventional;
    zone.state = ZoneState::not_write_pointer;
    zone.capacity = zone.length;
    EXPECT_EQ(encode(zone), descriptor({8192, 16384, ~std::uint64_t{0}}, 1, 0));
}

TEST(BlkWire, AReportHeaderHasTheZoneCount) {
    const auto bytes = encode_report_header(0x0102);
    EXPECT_EQ(bytes[0], 2);
    EXPECT_EQ(bytes[1], 1);
    for (std::size_t at = 2; at < bytes.size(); ++at) EXPECT_EQ(bytes[at], 0);
}

TEST(BlkWire, AnAppendSectorIsEncoded) {
    EXPECT_EQ(encode_append_sector(0x0A0B * 512),
              (std::array<std::uint8_t, 8>{0x0B, 0x0A, 0, 0, 0, 0, 0, 0}));
}

struct StatusRow {
    StatusCode code;
    unsigned write;   // to a zoned driver
    unsigned append;  // the same
    unsigned plain;   // to a driver without zones
};

TEST(BlkStatus, EveryStatusHasItsNumber) {
    const StatusRow rows[] = {
        {StatusCode::ok, 0, 0, 0},
        {StatusCode::invalid_request, 1, 3, 1},
        {StatusCode::out_of_range, 1, 3, 1},
        {StatusCode::misaligned, 1, 4, 1},
        {StatusCode::too_large, 1, 3, 1},
        {StatusCode::unsupported, 2, 2, 2},
        {StatusCode::read_only, 1, 1, 1},
        {StatusCode::not_sequential, 3, 3, 1},
        {StatusCode::unaligned_write, 4, 4, 1},
        {StatusCode::crosses_boundary, 3, 3, 1},
        {StatusCode::read_crosses_boundary, 3, 3, 1},
        {StatusCode::read_past_pointer, 3, 3, 1},
        {StatusCode::invalid_transition, 3, 3, 1},
        {StatusCode::zone_full, 3, 3, 1},
        {StatusCode::zone_read_only, 3, 3, 1},
        {StatusCode::zone_offline, 3, 3, 1},
        {StatusCode::too_many_open, 5, 5, 1},
        {StatusCode::too_many_active, 6, 6, 1},
        {StatusCode::no_space, 1, 1, 1},
        {StatusCode::media_error, 1, 1, 1},
        {StatusCode::io_error, 1, 1, 1},
        {StatusCode::device_gone, 1, 1, 1},
        {StatusCode::aborted, 1, 1, 1},
    };
    EXPECT_EQ(std::size(rows), static_cast<std::size_t>(StatusCode::aborted) + 1);
    for (const auto& [code, write, append, plain] : rows) {
        EXPECT_EQ(static_cast<unsigned>(zoned_status(code, RequestType::out)), write)
            << to_string(code);
        EXPECT_EQ(static_cast<unsigned>(zoned_status(code, RequestType::zone_append)), append)
            << to_string(code);
        EXPECT_EQ(static_cast<unsigned>(plain_status(code)), plain) << to_string(code);
    }
}

}  // namespace
}  // namespace zonebridge::virtio_blk
