#include "zns/identify.h"

#include <gtest/gtest.h>

#include "tests/unit/zns/made_up.h"

namespace zonebridge::zns {
namespace {

using test::Bytes;
using test::namespace_data;
using test::zoned_data;

TEST(ZnsIdentify, AControllersNamesAndLimitsAreDecoded) {
    const auto data = Bytes()
                          .text(4, "SN-1                ")
                          .text(24, "  A Model")
                          .text(64, "1.0\x01\xFF   ")
                          .put(77, 7, 1)
                          .put(525, 1, 1);
    const auto found = decode_controller(data.all());
    EXPECT_EQ(found.serial, "SN-1");
    EXPECT_EQ(found.model, "A Model");
    EXPECT_EQ(found.firmware, "1.0??");  // no control characters may reach a terminal
    EXPECT_EQ(found.mdts, 7);
    EXPECT_TRUE(found.volatile_cache);
    EXPECT_FALSE(decode_controller(Bytes().all()).volatile_cache);
}

TEST(ZnsIdentify, ANamespacesSizeBlocksAndNamesAreDecoded) {
    auto data = namespace_data(1 << 20, 12).put(99, 1, 1).put(104, 0x0102, 16).put(120, 0x03, 8);
    const auto found = decode_namespace(data.all());
    ASSERT_TRUE(found) << found.error();
    EXPECT_EQ(found->blocks, 1U << 20);
    EXPECT_EQ(found->block_size, 4096U);
    EXPECT_EQ(found->format, 0);
    EXPECT_TRUE(found->write_protected);
    EXPECT_EQ(found->nguid[0], 2);
    EXPECT_EQ(found->eui64[0], 3);
}

TEST(ZnsIdentify, TheFormatNumberHasTwoParts) {
    // Format 18 = 1 0010b: bits 6:5 hold the upper part, bit 4 is about metadata.
    auto data = namespace_data(100, 9).put(25, 18, 1).put(26, 0x32, 1).put(128 + 18 * 4 + 2, 13, 1);
    const auto found = decode_namespace(data.all());
    ASSERT_TRUE(found) << found.error();
    EXPECT_EQ(found->format, 18);
    EXPECT_EQ(found->block_size, 8192U);
}

TEST(ZnsIdentify, AnInvalidNamespaceIsRefusedWithAReason) {
    const auto fault = [](const Bytes& data) {
        const auto found = decode_namespace(data.all());
        return found ? std::string("accepted") : found.error();
    };
    EXPECT_NE(fault(namespace_data(0, 9)).find("no size"), std::string::npos);
    EXPECT_NE(fault(namespace_data(100, 9).put(128, 8, 2)).find("8 bytes of metadata"),
              std::string::npos);
    for (const unsigned shift : {0U, 8U, 21U, 63U, 64U, 255U})
        EXPECT_NE(fault(namespace_data(100, shift)).find("2^" + std::to_string(shift)),
                  std::string::npos);
    EXPECT_NE(fault(namespace_data(100, 9).put(26, 1, 1)).find("LBA format 1 of 1"),
              std::string::npos);
    EXPECT_NE(fault(namespace_data(~std::uint64_t{0}, 9)).find("blocks of 512"), std::string::npos);
    EXPECT_NE(fault(Bytes(16)).find("no size"), std::string::npos);
}

TEST(ZnsIdentify, ZoneSizeAndLimitsAreDecoded) {
    auto data = zoned_data(0x4000, 9, 5).put(2, 1, 2).put(2816 + 8, 2, 1);
    const auto found = decode_zoned_namespace(data.all(), 0);
    ASSERT_TRUE(found) << found.error();
    EXPECT_EQ(found->zone_blocks, 0x4000U);
    EXPECT_EQ(found->max_open, 6U);
    EXPECT_EQ(found->max_active, 10U);
    EXPECT_TRUE(found->reads_across_zones);

    const auto unlimited = decode_zoned_namespace(zoned_data(3).all(), 0);
    ASSERT_TRUE(unlimited);
    EXPECT_FALSE(unlimited->max_open);
    EXPECT_FALSE(unlimited->max_active);
    EXPECT_FALSE(unlimited->reads_across_zones);
}

TEST(ZnsIdentify, InvalidZonesAreRefusedWithAReason) {
    EXPECT_FALSE(decode_zoned_namespace(zoned_data(0).all(), 0));
    EXPECT_FALSE(decode_zoned_namespace(zoned_data(8).all(), 1));  // the size is of another format
    const auto more_open = decode_zoned_namespace(zoned_data(8, 3, 4).all(), 0);
    ASSERT_FALSE(more_open);
    EXPECT_NE(more_open.error().find("5 zones may be open, and 4 active"), std::string::npos);
}

TEST(ZnsIdentify, TheCommandSetIsFoundBehindOtherDescriptors) {
    // The NGUID's descriptor, then the command set's.
    auto data = Bytes().put(0, 2, 1).put(1, 16, 1).put(20, 4, 1).put(21, 1, 1).put(24, 2, 1);
    EXPECT_EQ(decode_command_set(data.all()), 2);
    EXPECT_FALSE(decode_command_set(Bytes().all()));
    // A list whose last descriptor claims more bytes than are left.
    Bytes endless;
    for (std::size_t i = 0; i < 4096; i += 2) endless.put(i, 0xFF02, 2);
    EXPECT_FALSE(decode_command_set(endless.all()));
}

class ZnsLimits : public ::testing::Test {
  protected:
    ZnsLimits() {
        space_.blocks = 1 << 20;
        space_.block_size = 4096;
        zoned_.emplace().zone_blocks = 1024;
    }

    Controller controller_;
    Namespace space_;
    std::optional<ZonedNamespace> zoned_;
    HostBounds host_{.max_transfer = 1 << 20, .max_segments = 256};
    std::uint8_t zasl_ = 0;

    Limits limits() { return limits_of(controller_, space_, zoned_, zasl_, host_); }
};

TEST_F(ZnsLimits, TheSmallestLimitOfHostAndDeviceApplies) {
    EXPECT_EQ(limits().max_transfer, 1U << 20);
    EXPECT_EQ(limits().max_append, 1U << 20);
    controller_.mdts = 7;
    EXPECT_EQ(limits().max_transfer, 512U << 10);
    EXPECT_EQ(limits().max_append, 512U << 10);
    zasl_ = 5;
    EXPECT_EQ(limits().max_transfer, 512U << 10);
    EXPECT_EQ(limits().max_append, 128U << 10);
    host_.max_transfer = 64 << 10;
    EXPECT_EQ(limits().max_transfer, 64U << 10);
    EXPECT_EQ(limits().max_append, 64U << 10);
    controller_.mdts = zasl_ = 255;  // too large to mean anything: no limit
    EXPECT_EQ(limits().max_transfer, 64U << 10);
}

TEST_F(ZnsLimits, TransfersAreWholeBlocksWithinTheCommandsCount) {
    host_.max_transfer = 130048;  // 127 KiB
    EXPECT_EQ(limits().max_transfer, 124U << 10);
    host_.max_transfer = 1 << 30;
    space_.block_size = 512;
    EXPECT_EQ(limits().max_transfer, 32U << 20);  // 65,536 blocks
}

TEST_F(ZnsLimits, AZonedNamespaceHasAppendsAndZoneLimits) {
    zoned_->max_open = 6;
    zoned_->max_active = 10;
    const auto found = limits();
    EXPECT_EQ(found.model, Model::host_managed);
    EXPECT_EQ(found.append, Support::native);
    EXPECT_EQ(found.fua, Support::native);
    EXPECT_EQ(found.max_open, 6U);
    EXPECT_EQ(found.max_active, 10U);
    EXPECT_FALSE(found.reads_across_zones);
    EXPECT_EQ(found.logical_block_size, 4096U);
    EXPECT_EQ(found.physical_block_size, 4096U);
    EXPECT_EQ(found.max_segments, 256U);
}

TEST_F(ZnsLimits, ANamespaceWithoutZonesIsAnOrdinaryDisk) {
    zoned_.reset();
    const auto found = limits();
    EXPECT_EQ(found.model, Model::none);
    EXPECT_EQ(found.append, Support::absent);
    EXPECT_EQ(found.max_append, 0U);
    EXPECT_TRUE(found.reads_across_zones);
}

}  // namespace
}  // namespace zonebridge::zns
