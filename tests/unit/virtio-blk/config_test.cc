#include "virtio-blk/config.h"

#include <gtest/gtest.h>

#include "base/size.h"
#include "tests/unit/support/machine_disk.h"

namespace zonebridge::virtio_blk {
namespace {

/// A disk that gives every field a value.
Limits host_managed() {
    Limits limits;
    limits.model = Model::host_managed;
    limits.layout =
        Layout(1024 * MiB, 256 * MiB, 192 * MiB, 1, ZoneType::sequential_write_required);
    limits.logical_block_size = 512;
    limits.physical_block_size = 4096;
    limits.max_transfer = 4 * MiB;
    limits.max_segments = 1024;
    limits.max_append = MiB / 2 + 512;
    limits.max_open = 14;
    limits.max_active = 0x01020304;
    limits.append = Support::emulated;
    limits.fua = Support::native;
    return limits;
}

std::uint64_t field(const std::array<std::uint8_t, Config::size>& bytes, std::size_t at,
                    std::size_t width) {
    std::uint64_t value = 0;
    for (std::size_t i = width; i-- > 0;) value = value << 8 | bytes[at + i];
    return value;
}

TEST(BlkConfig, HasTheBytesOfTheStandard) {
    const auto bytes = encode(make_config(host_managed(), 7));
    std::array<std::uint8_t, 96> expected{};
    const auto put = [&](std::size_t at, std::initializer_list<int> octets) {
        for (const auto octet : octets) expected[at++] = static_cast<std::uint8_t>(octet);
    };
    put(0, {0, 0, 0x20, 0, 0, 0, 0, 0});  // 2 Mi sectors
    put(12, {254, 0, 0, 0});
    put(20, {0, 2, 0, 0});  // 512
    put(24, {3, 0, 8, 0});  // 8 logical blocks in a physical one
    put(32, {1, 0, 7, 0});  // write-back; 7 queues
    put(72, {0, 0, 8, 0});  // zone_sectors
    put(76, {14, 0, 0, 0});
    put(80, {4, 3, 2, 1});
    put(84, {0, 4, 0, 0});     // 512 KiB, rounded down to whole physical blocks
    put(88, {0, 0x10, 0, 0});  // 4096
    put(92, {1, 0, 0, 0});     // host-managed
    EXPECT_EQ(bytes, expected);
}

TEST(BlkConfig, UsesTheStandardsNumbersForModels) {
    auto limits = host_managed();
    limits.model = Model::host_aware;
    EXPECT_EQ(encode(make_config(limits, 1))[92], 2);
    EXPECT_NE(offered_features(limits) & feature::zoned, 0U);
    limits.model = Model::none;
    limits.layout = Layout(64 * MiB, 0, 0, 0, ZoneType::sequential_write_required);
    const auto plain_limits = encode(make_config(limits, 1));
    for (std::size_t at = 72; at < 96; ++at) EXPECT_EQ(plain_limits[at], 0) << at;
    EXPECT_EQ(offered_features(limits) & feature::zoned, 0U);
}

TEST(BlkConfig, ZeroMeansNoLimitAndNoAppend) {
    auto limits = host_managed();
    limits.max_open.reset();
    limits.max_active.reset();
    limits.append = Support::absent;
    const auto bytes = encode(make_config(limits, 1));
    EXPECT_EQ(field(bytes, 76, 4), 0U);
    EXPECT_EQ(field(bytes, 80, 4), 0U);
    EXPECT_EQ(field(bytes, 84, 4), 0U);
}

// FreeBSD's driver refuses a disk whose SIZE_MAX is below 1 MiB, OpenBSD's one whose seg_max is below
// 17; Windows' with SIZE_MAX and without SEG_MAX fails every request.
TEST(BlkConfig, OffersManySegmentsOfAnySize) {
    for (const std::uint64_t transfer :
         {std::uint64_t{4096}, 8 * std::uint64_t{4096}, 124 * std::uint64_t{1024}, MiB / 2,
          1280 * std::uint64_t{1024}, 4 * MiB, 16 * MiB, 64 * 1024 * MiB})
        for (const std::uint32_t segments : {1U, 2U, 16U, 17U, 128U, 256U, 1024U}) {
            auto limits = host_managed();
            limits.max_transfer = transfer;
            limits.max_segments = segments;
            limits.max_append = transfer;
            limits.any_length = true;
            const auto config = make_config(limits, 1);
            const auto which = testing::PrintToString(std::pair(transfer, segments));
            EXPECT_EQ(offered_features(limits) & 1 << 1, 0U) << "SIZE_MAX";
            EXPECT_NE(offered_features(limits) & 1 << 2, 0U) << "SEG_MAX";
            EXPECT_LE(config.seg_max, 254U) << which;
            // An append goes to the disk whole, and the disk then has to take all of its buffers.
            EXPECT_LE(config.seg_max, segments) << which;
            if (segments >= 256) {
                EXPECT_GE(config.seg_max, 126U) << which;
            }
            EXPECT_LE(config.max_append_sectors * sector_size, transfer) << which;
            EXPECT_NE(config.max_append_sectors, 0U) << which;
            limits.append = Support::absent;
            EXPECT_EQ(make_config(limits, 1).seg_max, 254U) << which;
        }
}

TEST(BlkConfig, OffersTheFeaturesOfTheDisk) {
    auto limits = host_managed();
    // SEG_MAX, BLK_SIZE, FLUSH, TOPOLOGY, CONFIG_WCE, MQ, ZONED; no DISCARD or
    // WRITE_ZEROES.
    constexpr std::uint64_t expected =
        1 << 2 | 1 << 6 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 12 | 1 << 17;
    EXPECT_EQ(offered_features(limits), expected);
    limits.read_only = true;
    EXPECT_EQ(offered_features(limits), expected | 1 << 5);
}

/// A disk without zones that discards and writes zeroes; limits in bytes.
Limits plain_limits(std::uint64_t max_discard, std::uint64_t max_write_zeroes) {
    auto limits = host_managed();
    limits.model = Model::none;
    limits.layout = Layout(1024 * MiB, 0, 0, 0, ZoneType::sequential_write_required);
    limits.max_discard = max_discard;
    limits.max_write_zeroes = max_write_zeroes;
    limits.discard_granularity = 65536;
    limits.write_zeroes_unmaps = true;
    return limits;
}

TEST(BlkConfig, OffersDiscardAndWriteZeroesOnlyOnWritableDisksThatHaveThem) {
    constexpr std::uint64_t discard = 1 << 13;
    constexpr std::uint64_t write_zeroes = 1 << 14;
    const auto offered = [](const Limits& limits) {
        return offered_features(limits) & (discard | write_zeroes);
    };
    auto limits = plain_limits(MiB, MiB);
    EXPECT_EQ(offered(limits), discard | write_zeroes);
    limits.read_only = true;
    EXPECT_EQ(offered(limits), 0U);
    EXPECT_EQ(make_config(limits, 1).max_discard_sectors, 0U);
    limits.read_only = false;
    limits.max_discard.reset();
    EXPECT_EQ(offered(limits), write_zeroes);
    EXPECT_EQ(make_config(limits, 1).max_discard_segments, 0U);

    // The standard forbids both on host-managed disks.
    auto managed = host_managed();
    managed.max_discard = managed.max_write_zeroes = MiB;
    EXPECT_EQ(offered(managed), 0U);
    EXPECT_EQ(make_config(managed, 1).max_write_zeroes_sectors, 0U);
    auto aware = managed;
    aware.model = Model::host_aware;
    EXPECT_EQ(offered(aware), discard | write_zeroes);
}

TEST(BlkConfig, HasTheLimitsOfDiscardAndWriteZeroes) {
    const auto bytes = encode(make_config(plain_limits(MiB + 512, 4 * MiB + 512), 1));
    EXPECT_EQ(field(bytes, 36, 4), MiB / 512) << "whole units of the discard granularity";
    EXPECT_EQ(field(bytes, 40, 4), 16U);
    EXPECT_EQ(field(bytes, 44, 4), 128U);
    EXPECT_EQ(field(bytes, 48, 4), 4 * MiB / 512);
    EXPECT_EQ(field(bytes, 52, 4), 16U);
    EXPECT_EQ(field(bytes, 56, 4), 1U);
    auto limits = plain_limits(std::uint64_t{1} << 50, std::uint64_t{1} << 50);
    limits.write_zeroes_unmaps = false;
    const auto large = encode(make_config(limits, 1));
    EXPECT_EQ(field(large, 36, 4), 0xFFFFFF80U);
    EXPECT_EQ(field(large, 48, 4), 0xFFFFFFF8U);
    EXPECT_EQ(field(large, 56, 1), 0U);
}

}  // namespace
}  // namespace zonebridge::virtio_blk
