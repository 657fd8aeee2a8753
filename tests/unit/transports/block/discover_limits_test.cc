#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "base/size.h"
#include "tests/unit/support/temporary.h"
#include "tests/unit/transports/block/made_up_zones.h"
#include "transports/block/discover.h"

namespace zonebridge::block {
namespace {

class Geometry : public ::testing::Test {
  protected:
    void SetUp() override {
        disk.kind = host::Node::Kind::block;
        disk.path = "/dev/made-up";
        disk.sysfs = folder.path();
        std::filesystem::create_directories(folder.path() / "queue");
        set("zoned", "host-managed");
        set("chunk_sectors", "8192");
        set("logical_block_size", "512");
        set("physical_block_size", "4096");
        set("zone_write_granularity", "512");
        set("max_open_zones", "0");
        set("max_active_zones", "0");
        set("max_sectors_kb", "1280");
        set("fua", "1");
        // Eight zones of 4 MiB with a capacity of 3 MiB; the first and the fifth are conventional.
        std::vector<bool> conventional(8);
        conventional[0] = conventional[4] = true;
        const Layout layout(32 * MiB, 4 * MiB, 3 * MiB, conventional,
                            ZoneType::sequential_write_required);
        Limits limits;
        limits.model = Model::host_managed;
        limits.layout = layout;
        const Machine machine(limits);
        for (std::uint32_t i = 0; i < 8; ++i)
            port.zones.push_back(test::raw_zone(machine.describe(i)));
    }

    void set(const std::string& name, const std::string& value) {
        std::ofstream(folder.path() / "queue" / name) << value << "\n";
    }
    tl::expected<Limits, Error> read(std::uint64_t size = 32 * MiB) {
        return read_limits("/dev/made-up", disk, size, port);
    }
    std::string refusal(std::uint64_t size = 32 * MiB) {
        const auto limits = read(size);
        if (limits) return "accepted";
        EXPECT_EQ(limits.error().message.find("/dev/made-up: "), 0u) << limits.error().message;
        return limits.error().message;
    }

    test::TemporaryFolder folder;
    host::Node disk;
    test::ListedZones port;
};

#define EXPECT_SAYS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

TEST_F(Geometry, TakesItsNumbersFromSysfsAndTheReport) {
    set("max_open_zones", "8");
    set("max_active_zones", "12");
    const auto limits = read();
    ASSERT_TRUE(limits) << limits.error().message;
    EXPECT_EQ(limits->model, Model::host_managed);
    EXPECT_EQ(limits->logical_block_size, 512u);
    EXPECT_EQ(limits->physical_block_size, 512u) << "zones are written in zone_write_granularity";
    EXPECT_EQ(limits->max_open, 8u);
    EXPECT_EQ(limits->max_active, 12u);
    EXPECT_EQ(limits->fua, Support::native);
    EXPECT_EQ(limits->append, Support::absent);
    EXPECT_EQ(limits->max_transfer, MiB);
    const auto& layout = limits->layout;
    EXPECT_EQ(layout.zone_size(), 4 * MiB);
    EXPECT_EQ(layout.zone_capacity(), 3 * MiB);
    EXPECT_EQ(layout.zone_count(), 8u);
    EXPECT_TRUE(layout.is_conventional(0));
    EXPECT_TRUE(layout.is_conventional(4));
    EXPECT_EQ(layout.conventional_count(), 2u);
    EXPECT_TRUE(port.asked_memory) << "the zones that the kernel caches are enough, and fast";
}

TEST_F(Geometry, ZeroMeansNoLimitAndOldKernelsHaveNoGranularity) {
    std::filesystem::remove(folder.path() / "queue/zone_write_granularity");
    set("fua", "0");
    set("max_sectors_kb", "127");
    const auto limits = read();
    ASSERT_TRUE(limits) << limits.error().message;
    EXPECT_EQ(limits->max_open, std::nullopt);
    EXPECT_EQ(limits->max_active, std::nullopt);
    EXPECT_EQ(limits->physical_block_size, 4096u);
    EXPECT_EQ(limits->fua, Support::emulated);
    EXPECT_EQ(limits->max_transfer, 124u * 1024);
}

TEST_F(Geometry, AnNvmeMultipathHeadHasTheLimitsOfItsPaths) {
    // /sys/.../nvme-subsys0/nvme0n1, and beside it nvme0/nvme0c0n1 and another namespace's path.
    const auto subsystem = folder.path() / "nvme-subsys0";
    std::filesystem::create_directories(subsystem / "nvme0/nvme0c0n1/queue");
    std::filesystem::create_directories(subsystem / "nvme0/nvme0c0n2/queue");
    std::filesystem::create_directories(subsystem / "nvme0n1");
    std::filesystem::rename(folder.path() / "queue", subsystem / "nvme0n1/queue");
    std::ofstream(subsystem / "nvme0/nvme0c0n1/queue/max_open_zones") << "4\n";
    std::ofstream(subsystem / "nvme0/nvme0c0n1/queue/max_active_zones") << "6\n";
    std::ofstream(subsystem / "nvme0/nvme0c0n2/queue/max_open_zones") << "1\n";
    disk.name = "nvme0n1";
    disk.sysfs = subsystem / "nvme0n1";
    const auto limits = read();
    ASSERT_TRUE(limits) << limits.error().message;
    EXPECT_EQ(limits->max_open, 4u);
    EXPECT_EQ(limits->max_active, 6u);
}

TEST_F(Geometry, ADiskWithoutZonesIsNotAskedForAReport) {
    set("zoned", "none");
    port.error = EIO;
    const auto limits = read();
    ASSERT_TRUE(limits) << limits.error().message;
    EXPECT_EQ(limits->model, Model::none);
    EXPECT_EQ(limits->layout.zone_count(), 0u);
    EXPECT_EQ(limits->physical_block_size, 4096u);
}

TEST_F(Geometry, OldKernelsReportNoCapacity) {
    port.flags = 0;
    for (auto& zone : port.zones) zone.capacity = 0;
    const auto limits = read();
    ASSERT_TRUE(limits) << limits.error().message;
    EXPECT_EQ(limits->layout.zone_capacity(), 4 * MiB);
}

TEST_F(Geometry, AZoneThatTheKernelCachesAsActiveIsAccepted) {
    port.zones[1].cond = 0xFF;
    EXPECT_TRUE(read());
}

TEST_F(Geometry, RefusesInvalidZones) {
    const auto good = port.zones;
    const auto with = [&](std::size_t index, auto change) {
        port.zones = good;
        change(port.zones[index]);
        return refusal();
    };
    EXPECT_SAYS(with(3, [](blk_zone& zone) { zone.start -= 8; }), "zone 3");
    EXPECT_SAYS(with(3, [](blk_zone& zone) { zone.start += 8; }), "hole");
    EXPECT_SAYS(with(3, [](blk_zone& zone) { zone.len = 0; }), "zone");
    EXPECT_SAYS(with(3, [](blk_zone& zone) { zone.len *= 2; }), "zone 3");
    EXPECT_SAYS(with(3, [](blk_zone& zone) { zone.capacity = 0; }), "capacity");
    EXPECT_SAYS(with(3, [](blk_zone& zone) { zone.capacity = zone.len + 1; }), "capacity");
    EXPECT_SAYS(with(3, [](blk_zone& zone) { zone.type = 9; }), "type");
    EXPECT_SAYS(with(3, [](blk_zone& zone) { zone.cond = 9; }), "state");
    EXPECT_SAYS(with(3, [](blk_zone& zone) { zone.start = ~0ULL; }), "zone 3");
    EXPECT_SAYS(with(3,
                     [](blk_zone& zone) {
                         zone.cond = BLK_ZONE_COND_CLOSED;
                         zone.wp = zone.start - 1;
                     }),
                "write pointer");
}

TEST_F(Geometry, RefusesAReportThatEndsEarlyOrFails) {
    port.zones.pop_back();
    EXPECT_SAYS(refusal(), "ends at byte 29360128");
    port.error = EIO;
    EXPECT_SAYS(refusal(), "can't report its zones");
}

TEST_F(Geometry, OffersDiscardAndWriteZeroesOnlyWithoutZones) {
    set("discard_max_bytes", "2147450880");
    set("discard_granularity", "65536");
    set("write_zeroes_max_bytes", "33553920");
    const auto zoned = read();
    ASSERT_TRUE(zoned);
    EXPECT_FALSE(zoned->max_discard) << "a zoned disk has none, whatever the kernel says";
    EXPECT_FALSE(zoned->max_write_zeroes);

    set("zoned", "none");
    set("logical_block_size", "4096");
    auto limits = read();
    ASSERT_TRUE(limits);
    EXPECT_EQ(limits->max_discard, 2147450880u);
    EXPECT_EQ(limits->discard_granularity, 65536u);
    EXPECT_EQ(limits->max_write_zeroes, 33550336u) << "whole blocks";
    EXPECT_TRUE(limits->write_zeroes_unmaps);
    set("discard_max_bytes", "0");
    set("write_zeroes_max_bytes", "0");
    limits = read();
    ASSERT_TRUE(limits);
    EXPECT_FALSE(limits->max_discard);
    EXPECT_EQ(limits->discard_granularity, 0u);
    EXPECT_EQ(limits->max_write_zeroes, 16 * MiB) << "Linux writes the zeroes";
    EXPECT_FALSE(limits->write_zeroes_unmaps);
    set("discard_max_bytes", "4194304");
    set("discard_granularity", "0");
    limits = read();
    ASSERT_TRUE(limits);
    EXPECT_EQ(limits->discard_granularity, 4096u) << "at least one block";
}

TEST_F(Geometry, RefusesNumbersThatContradictEachOther) {
    set("max_open_zones", "8");
    set("max_active_zones", "4");
    EXPECT_SAYS(refusal(), "8 zones may be open but only 4 active");
    set("max_active_zones", "0");
    set("chunk_sectors", "0");
    EXPECT_SAYS(refusal(), "zone size");
    set("chunk_sectors", "4096");
    EXPECT_SAYS(refusal(), "length");
    set("chunk_sectors", "8192");
    set("logical_block_size", "520");
    EXPECT_SAYS(refusal(), "logical block size of 520 bytes is invalid");
    set("logical_block_size", "4096");
    EXPECT_SAYS(refusal(), "zones need writes of 512 bytes");
    set("zone_write_granularity", "1048576");
    set("logical_block_size", "512");
    EXPECT_TRUE(read());
    EXPECT_SAYS(refusal(0), "no size");
    EXPECT_SAYS(refusal(32 * MiB + 100), "a whole number of 512-byte blocks");
}

TEST_F(Geometry, ACapacityThatIsNotWholeBlocksIsRefused) {
    set("zone_write_granularity", "4096");
    for (auto& zone : port.zones)
        if (zone.type != BLK_ZONE_TYPE_CONVENTIONAL) zone.capacity -= 1;
    EXPECT_SAYS(refusal(), "a whole number of 4096-byte blocks");
}

TEST(ToZone, GivesAPointerOnlyInStatesThatHaveOne) {
    blk_zone raw{};
    raw.start = 100;
    raw.len = 100;
    raw.capacity = 80;
    raw.wp = 120;
    raw.type = BLK_ZONE_TYPE_SEQWRITE_REQ;
    const auto as = [&](std::uint8_t condition) {
        raw.cond = condition;
        return to_zone(raw, BLK_ZONE_REP_CAPACITY, ZonePort::From::device);
    };
    EXPECT_EQ(as(BLK_ZONE_COND_EMPTY).write_pointer, 51200u);
    EXPECT_EQ(as(BLK_ZONE_COND_IMP_OPEN).write_pointer, 61440u);
    EXPECT_EQ(as(BLK_ZONE_COND_EXP_OPEN).write_pointer, 61440u);
    EXPECT_EQ(as(BLK_ZONE_COND_CLOSED).write_pointer, 61440u);
    EXPECT_EQ(as(BLK_ZONE_COND_FULL).write_pointer, std::nullopt);
    EXPECT_EQ(as(BLK_ZONE_COND_READONLY).write_pointer, std::nullopt);
    EXPECT_EQ(as(BLK_ZONE_COND_OFFLINE).write_pointer, std::nullopt);
    EXPECT_EQ(as(BLK_ZONE_COND_FULL).capacity, 40960u);
    raw.type = BLK_ZONE_TYPE_CONVENTIONAL;
    const auto conventional = as(BLK_ZONE_COND_NOT_WP);
    EXPECT_EQ(conventional.write_pointer, std::nullopt);
    EXPECT_EQ(conventional.capacity, conventional.length);
}

}  // namespace
}  // namespace zonebridge::block
