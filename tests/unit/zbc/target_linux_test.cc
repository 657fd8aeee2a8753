// What Linux (sd, sd_zbc, the block layer) requires of a zoned disk before it uses the disk. Each
// test sends the commands that the driver sends.

#include <bit>

#include "base/size.h"
#include "tests/unit/zbc/initiator.h"

namespace zonebridge::zbc::test {
namespace {

const MachineDiskShape shapes[] = {
    {},
    {.logical_block_size = 4096},
    {.last_zone_size = 16 * KiB},
    {.zone_capacity = 48 * KiB},
    {.zone_capacity = 48 * KiB, .logical_block_size = 4096, .max_open = 4, .max_active = 3},
    {.conventional = 0, .physical_block_size = 512},
};

class Linux : public testing::TestWithParam<MachineDiskShape> {
  public:
    Initiator initiator{GetParam()};

    /// Fetched as the kernel does: the page's first four bytes, then the whole page.
    Bytes vpd(std::uint8_t page) {
        const auto header = initiator.run(encode_inquiry(page, 4), 4);
        EXPECT_EQ(header.data.size(), 4u);
        const auto length = static_cast<std::uint16_t>(header.view().be16(2) + 4);
        const auto whole = initiator.run(encode_inquiry(page, length), length).data;
        EXPECT_EQ(whole.size(), length);
        EXPECT_EQ(whole[1], page);
        return whole;
    }
    /// All descriptors, fetched a few at a time.
    std::vector<Bytes> descriptors() {
        std::vector<Bytes> all;
        const auto end = initiator.run(encode_read_capacity_16(32), 32).view().be64(0) + 1;
        for (std::uint64_t lba = 0; lba < end;) {
            const auto report = initiator.report(lba, 64 * 6, 0, true);
            if (report.words() != "good" || report.data.size() < 128) {
                ADD_FAILURE() << "no zone at " << lba;
                break;
            }
            EXPECT_GE(report.view().be32(0), 64u);
            for (std::size_t at = 64; at < report.data.size(); at += 64) {
                all.emplace_back(report.data.begin() + static_cast<int>(at),
                                 report.data.begin() + static_cast<int>(at) + 64);
                lba = ByteView(all.back()).be64(16) + ByteView(all.back()).be64(8);
            }
        }
        return all;
    }
};
INSTANTIATE_TEST_SUITE_P(Disks, Linux, testing::ValuesIn(shapes));

TEST_P(Linux, FindsAZonedBlockDeviceThatSpeaksSpc3OrLater) {
    const auto inquiry = initiator.run(encode_inquiry(std::nullopt, 36), 36).data;
    EXPECT_EQ(inquiry[0], 0x14);
    EXPECT_GE(inquiry[2], 5);
    EXPECT_GE(inquiry[4] + 5, 36);
}

TEST_P(Linux, FindsEveryPageItNeedsInTheList) {
    const auto list = initiator.run(encode_inquiry(0x00, 36), 36).data;
    for (const auto page : {0x80, 0x83, 0x86, 0x87, 0xB0, 0xB1, 0xB2, 0xB6}) {
        EXPECT_NE(std::find(list.begin() + 4, list.end(), page), list.end());
        (void)vpd(static_cast<std::uint8_t>(page));
    }
}

TEST_P(Linux, AcceptsTheZonedCharacteristics) {
    const auto page = vpd(0xB6);
    const ByteView view(page);
    EXPECT_TRUE(view.bit(4, 0)) << "URSWRZ: Linux refuses disks with restricted reads";
    const auto method = view.u8(23) & 0x0F;
    EXPECT_TRUE(method == 0 || method == 1 || method == 8);
    if (method == 8) {
        EXPECT_TRUE(std::has_single_bit(view.be64(24)));
    }
    EXPECT_NE(view.be32(16), 0u);
}

TEST_P(Linux, GetsAReportWhoseMaximumLbaFitsTheCapacity) {
    const auto report = initiator.report(0, 512);
    EXPECT_GE(report.view().be32(0), 64u);
    const auto capacity = initiator.run(encode_read_capacity_16(32), 32);
    EXPECT_EQ(capacity.data[12] >> 4 & 3, 1) << "RC_BASIS";
    EXPECT_EQ(capacity.view().be64(0), report.view().be64(8));
    EXPECT_EQ(capacity.view().be32(8), GetParam().logical_block_size);
    EXPECT_EQ(capacity.view().be32(8) << (capacity.data[13] & 0xF), GetParam().physical_block_size);
}

TEST_P(Linux, GetsContiguousZonesWhoseSizeIsAPowerOfTwo) {
    const auto page = vpd(0xB6);
    const auto granularity = ByteView(page).be64(24);
    const auto zones = descriptors();
    const auto size = granularity != 0 ? granularity : ByteView(zones[0]).be64(8);
    EXPECT_TRUE(std::has_single_bit(size));
    std::uint64_t next = 0;
    std::uint64_t zone_end = 0;
    auto previous_type = 0;
    for (const auto& descriptor : zones) {
        const ByteView view(descriptor);
        const auto type = view.u8(0) & 0xF;
        EXPECT_EQ(view.be64(16), next);
        EXPECT_LE(view.be64(8), size);
        EXPECT_NE(view.be64(8), 0u);
        EXPECT_TRUE(type == 1 || type == 2 || type == 5);
        if (type == 5) {
            EXPECT_EQ(previous_type, 2) << "a gap belongs to a sequential zone";
        } else {
            EXPECT_EQ(next % size, 0u);
            zone_end = next + size;
        }
        next = view.be64(16) + view.be64(8);
        EXPECT_LE(next, zone_end);
        previous_type = type;
    }
    EXPECT_EQ(next, initiator.run(encode_read_capacity_16(32), 32).view().be64(0) + 1);
}

TEST_P(Linux, GetsTheZoneOfTheRequestedAddressFirst) {
    for (std::uint64_t lba = 0; lba < initiator.lba(15); lba += initiator.lba(1) / 4) {
        const auto report = initiator.report(lba, 512, 0, true);
        const auto start = report.view().be64(64 + 16);
        EXPECT_LE(start, lba);
        EXPECT_GT(start + report.view().be64(64 + 8), lba);
    }
}

TEST_P(Linux, GetsTheModeHeaderAndThenTheCachingPage) {
    const auto header = initiator.run(hex("1a 08 3f 00 04 00"), 4);
    EXPECT_EQ(header.data.size(), 4u);
    EXPECT_EQ(header.data[2] & 0x80, 0) << "not write protected";
    EXPECT_EQ(header.data[2] & 0x10, 0x10) << "DPOFUA";
    const auto caching = initiator.run(hex("1a 08 08 00 ff 00"), 255).data;
    EXPECT_EQ(caching[caching[3] + 4] & 0x3F, 0x08);
    EXPECT_EQ(caching[caching[3] + 6] & 0x04, 0x04) << "WCE: Linux has to flush";
}

TEST_P(Linux, WritesPhysicalBlocksAtThePointerOfAZone) {
    const auto step = GetParam().physical_block_size;
    for (std::uint64_t at = 0; at < 4 * step; at += step)
        EXPECT_EQ(initiator.write(5, at, step).words(), "good");
    const auto report = initiator.report(initiator.lba(5), 128, 0, true);
    EXPECT_EQ(report.view().be64(64 + 24), initiator.lba(5, 4 * step));
    EXPECT_EQ(initiator.run(encode_synchronize_cache_16()).words(), "good");
}

TEST_P(Linux, LearnsThatWriteSameIsNotSupported) {
    const auto reply = initiator.run(hex("a3 0c 01 93 00 00 00 00 00 ff 00 00"), 255);
    EXPECT_EQ(reply.data[1] & 0x07, 0x01);
}

}  // namespace
}  // namespace zonebridge::zbc::test
