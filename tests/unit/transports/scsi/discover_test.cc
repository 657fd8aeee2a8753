// Discovery of a disk: geometry and limits of good disks, and clear refusals of broken ones.

#include "transports/scsi/discover.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "tests/unit/transports/scsi/target_port.h"

namespace zonebridge::scsi::test {
namespace {

using zonebridge::test::MachineDisk;
using zonebridge::test::MachineDiskShape;

constexpr DiscoverOptions options{.host_max_transfer = 1 << 20, .max_segments = 64};

TEST(Discover, FindsTheGeometryAndTheLimits) {
    MachineDiskShape shape;
    shape.zone_capacity = 48 << 10;
    shape.max_open = 3;
    shape.reads_past_pointer = false;
    MachineDisk memory(shape);
    TargetPort port(memory);
    const auto disk = discover(port, "/dev/sgX", options);
    ASSERT_TRUE(disk) << disk.error().message;
    const auto& limits = disk->limits;
    EXPECT_EQ(limits.model, Model::host_managed);
    EXPECT_EQ(limits.logical_block_size, 512u);
    EXPECT_EQ(limits.physical_block_size, 4096u);
    EXPECT_EQ(limits.max_open, 3u);
    EXPECT_EQ(limits.max_active, std::nullopt);
    EXPECT_EQ(limits.append, Support::absent);
    EXPECT_EQ(limits.fua, Support::native);
    EXPECT_FALSE(limits.reads_past_pointer);
    EXPECT_EQ(limits.max_transfer, 32u << 10) << "from VPD page B0h";
    EXPECT_EQ(limits.max_segments, 64u);
    const auto& expected = memory.limits().layout;
    EXPECT_EQ(limits.layout.size(), expected.size());
    EXPECT_EQ(limits.layout.zone_size(), expected.zone_size());
    EXPECT_EQ(limits.layout.zone_capacity(), expected.zone_capacity());
    EXPECT_EQ(limits.layout.conventional_count(), expected.conventional_count());
    EXPECT_NE(disk->identity.unique_id, 0u);
    EXPECT_EQ(disk->words, "ZBC");
    EXPECT_EQ(discover(port, "/dev/sgX", options)->identity.unique_id, disk->identity.unique_id);
}

TEST(Discover, AHostLimitBelowTheDisksLimitIsUsed) {
    MachineDisk memory;
    TargetPort port(memory);
    auto small = options;
    small.host_max_transfer = 10'000;
    EXPECT_EQ(discover(port, "d", small)->limits.max_transfer, 8192u) << "whole physical blocks";
}

TEST(Discover, HostAwareDisksAndDisksWithoutZonesAreRecognized) {
    MachineDiskShape shape;
    shape.model = Model::host_aware;
    MachineDisk aware(shape);
    TargetPort aware_port(aware);
    const auto disk = discover(aware_port, "d", options);
    ASSERT_TRUE(disk) << disk.error().message;
    EXPECT_EQ(disk->limits.model, Model::host_aware);
    EXPECT_EQ(disk->limits.layout.sequential_type(), ZoneType::sequential_write_preferred);

    shape.model = Model::none;
    MachineDisk plain(shape);
    TargetPort plain_port(plain);
    const auto none = discover(plain_port, "d", options);
    ASSERT_TRUE(none) << none.error().message;
    EXPECT_EQ(none->limits.model, Model::none);
    EXPECT_EQ(none->limits.layout.zone_count(), 0u);
    EXPECT_EQ(none->limits.size(), plain.limits().size());
    EXPECT_EQ(none->identity.notice, "");
}

/// Changes the reply to commands of one opcode (and VPD page).
auto change(std::uint8_t opcode, std::optional<std::uint8_t> page,
            std::function<void(ByteWriter)> how) {
    return [=](const Command& command, std::span<std::uint8_t> bytes) {
        if (command.cdb[0] != opcode || (page && command.cdb[2] != *page)) return;
        if (opcode == 0x12 && !page && (command.cdb[1] & 1) != 0) return;
        how(ByteWriter(bytes));
    };
}

TEST(Discover, ADriveManagedDiskHasNoZonesButANotice) {
    MachineDiskShape shape;
    shape.model = Model::none;
    MachineDisk memory(shape);
    TargetPort port(memory);
    port.tamper = change(0x12, std::uint8_t{0xB1}, [](auto out) { out.u8(8, 0x20); });
    const auto disk = discover(port, "d", options);
    ASSERT_TRUE(disk);
    EXPECT_EQ(disk->limits.model, Model::none);
    EXPECT_NE(disk->identity.notice.find("drive-managed"), std::string::npos);
}

TEST(Discover, WriteProtectionAndMissingFuaAreDetected) {
    MachineDisk memory;
    TargetPort port(memory);
    port.tamper = change(0x5A, std::nullopt, [](auto out) { out.u8(3, 0x80); });
    const auto disk = discover(port, "d", options);
    ASSERT_TRUE(disk);
    EXPECT_TRUE(disk->limits.read_only);
    EXPECT_EQ(disk->limits.fua, Support::absent);
}

TEST(Discover, BrokenDisksAreRefusedWithTheReason) {
    const struct {
        const char* words;
        std::uint8_t opcode;
        std::optional<std::uint8_t> page;
        std::function<void(ByteWriter)> how;
    } rows[] = {
        {"no device behind it", 0x12, {}, [](auto out) { out.u8(0, 0x7F); }},
        {"device type is 05h", 0x12, {}, [](auto out) { out.u8(0, 0x05); }},
        {"logical blocks have 513 bytes", 0x9E, {}, [](auto out) { out.be32(8, 513); }},
        {"logical blocks have 0 bytes", 0x9E, {}, [](auto out) { out.be32(8, 0); }},
        {"more than a disk can have", 0x9E, {}, [](auto out) { out.be64(0, ~0ULL); }},
        {"by READ CAPACITY", 0x9E, {}, [](auto out) { out.be64(0, 5); }},
        {"lists no zone", 0x95, {}, [](auto out) { out.be32(0, 0); }},
        {"no length", 0x95, {}, [](auto out) { out.be64(64 + 8, 0); }},
        {"does not begin where", 0x95, {}, [](auto out) { out.be64(128 + 16, 64); }},
        {"does not contain the requested block",
         0x95,
         {},
         [](auto out) { out.be64(64 + 16, 999); }},
        {"sequential or before", 0x95, {}, [](auto out) { out.u8(64, 4); }},
        {"inactive", 0x95, {}, [](auto out) { out.u8(65, 0x50), out.u8(64, 2); }},
        {"condition", 0x95, {}, [](auto out) { out.u8(65, 0x90), out.u8(64, 2); }},
        {"outside of it", 0x95, {}, [](auto out) { out.be64(64 + 128 + 24, 1); }},
        {"past the disk's end", 0x95, {}, [](auto out) { out.be64(64 + 8, 1 << 20); }},
    };
    for (const auto& row : rows) {
        MachineDisk memory;
        TargetPort port(memory);
        port.tamper = change(row.opcode, row.page, row.how);
        const auto disk = discover(port, "/dev/sg9", options);
        ASSERT_FALSE(disk) << row.words;
        EXPECT_EQ(disk.error().message.find("/dev/sg9: "), 0u) << disk.error().message;
        EXPECT_NE(disk.error().message.find(row.words), std::string::npos) << disk.error().message;
    }
}

TEST(Discover, UnitAttentionsAndABusyDiskAreRetried) {
    MachineDisk memory;
    TargetPort port(memory);
    port.instead = {{0x00, {check_condition(6, 0x29, 0), check_condition(6, 0x2A, 1)}, false},
                    {0x9E, {check_condition(2, 4, 1), status_only(0x08)}, false}};
    EXPECT_TRUE(discover(port, "d", options));
    EXPECT_EQ(port.count(0x9E), 3u);
}

TEST(Discover, AFailureIsReportedWithItsSense) {
    MachineDisk memory;
    TargetPort port(memory);
    port.instead = {{0x9E, {check_condition(4, 0x44, 0)}, false}};
    const auto disk = discover(port, "/dev/sg9", options);
    ASSERT_FALSE(disk);
    EXPECT_EQ(disk.error().message,
              "/dev/sg9: READ CAPACITY(16) failed: Hardware Error, Internal target failure (sense "
              "4/44/00)");
}

TEST(Discover, AnAtaDiskBehindATranslationWithoutZonesIsAskedByAtaCommands) {
    MachineDiskShape shape;
    shape.model = Model::none;
    MachineDisk memory(shape);
    TargetPort port(memory);
    auto with_zac = options;
    with_zac.find_zac = [](Port&, const std::string& path) {
        return tl::expected<std::optional<Zoned>, Error>(
            tl::unexpected(Error{StatusCode::io_error, path + ": asked in ATA", {}}));
    };
    EXPECT_TRUE(discover(port, "d", with_zac)) << "this is no ATA disk";
    port.tamper = [](const Command& command, std::span<std::uint8_t> bytes) {
        if (command.cdb[0] != 0x12) return;
        ByteWriter out(bytes);
        if ((command.cdb[1] & 1) == 0) out.ascii(8, "ATA", 8);
        // Page 00h lists page 89h instead of 80h.
        if ((command.cdb[1] & 1) != 0 && command.cdb[2] == 0) out.u8(5, 0x89);
    };
    const auto disk = discover(port, "d", with_zac);
    ASSERT_FALSE(disk);
    EXPECT_EQ(disk.error().message, "d: asked in ATA");
}

TEST(Discover, AHostManagedDiskWithoutZbcAndZacIsRefused) {
    MachineDisk memory;
    TargetPort port(memory);
    auto with_zac = options;
    with_zac.find_zac = [](Port&, const std::string&) {
        return tl::expected<std::optional<Zoned>, Error>(std::nullopt);
    };
    port.instead = {{0x95, {check_condition(5, 0x20, 0)}, false}};
    port.tamper = [](const Command& command, std::span<std::uint8_t> bytes) {
        if (command.cdb[0] != 0x12) return;
        ByteWriter out(bytes);
        if ((command.cdb[1] & 1) == 0) out.ascii(8, "ATA", 8);
        if ((command.cdb[1] & 1) != 0 && command.cdb[2] == 0) out.u8(5, 0x89);
    };
    const auto disk = discover(port, "d", with_zac);
    ASSERT_FALSE(disk);
    EXPECT_NE(disk.error().message.find("neither ZBC nor ZAC"), std::string::npos)
        << disk.error().message;
}

}  // namespace
}  // namespace zonebridge::scsi::test
