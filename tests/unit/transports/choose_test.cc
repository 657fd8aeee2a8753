// Which transport a disk gets, by /sys trees that the tests make. tests/guest/list.sh checks real
// disks in a guest.
#include "transports/choose.h"

#include <fstream>
#include <sys/sysmacros.h>

#include <gtest/gtest.h>

#include "tests/unit/support/temporary.h"
#include "tests/unit/transports/host/made_up.h"
#include "transports/emulated/emulated.h"
#include "transports/host/places.h"

namespace zonebridge {
namespace {

using Kind = DeviceName::Kind;
using test::MadeUp;

class Choose : public ::testing::Test {
  protected:
    [[nodiscard]] host::Node block(unsigned major, unsigned minor) const {
        return *host::describe(machine.places(), "/dev/x", true, makedev(major, minor));
    }
    /// The first choice for a block device, by the test's /sys tree.
    [[nodiscard]] Choice first(const host::Node& node) const {
        return choose_for_device(node, zone_facts(node)).front();
    }
    void scsi_disk(const std::string& type, const std::string& zoned) {
        machine.add_scsi_disk("0:0:0:0", "sda", 0, type);
        MadeUp::write(disk() / "queue/zoned", zoned + "\n");
    }
    [[nodiscard]] std::filesystem::path disk() const {
        return machine.sys() / "devices/pseudo_0/adapter0/host0/target0:0:0/0:0:0:0/block/sda";
    }
    /// VPD page B1h with this ZONED field.
    void vpd_b1(unsigned zoned) {
        std::string page(64, '\0');
        page[1] = '\xB1';
        page[8] = static_cast<char>(zoned << 4);
        MadeUp::write(disk() / "device/vpd_pgb1", page);
    }

    MadeUp machine;
};

TEST_F(Choose, AZonedScsiDiskIsDrivenByItsBlockDevice) {
    scsi_disk("20", "host-managed");
    const auto choice = first(block(8, 0));
    EXPECT_EQ(choice.transport, Kind::block);
    EXPECT_NE(choice.reason.find("host-managed SCSI disk"), std::string::npos) << choice.reason;
}

TEST_F(Choose, AScsiDiskWhoseZonesTheKernelHidesIsDrivenByScsi) {
    scsi_disk("20", "none");  // a kernel without zoned disks
    EXPECT_EQ(first(block(8, 0)).transport, Kind::scsi);
    MadeUp::write(disk() / "device/type", "0\n");
    vpd_b1(1);  // host-aware, which Linux 6.8 and later shows as ordinary
    const auto choice = first(block(8, 0));
    EXPECT_EQ(choice.transport, Kind::scsi);
    EXPECT_NE(choice.reason.find("host-aware"), std::string::npos) << choice.reason;
}

TEST_F(Choose, DriveManagedDisksCountAsDisksWithoutZones) {
    scsi_disk("0", "none");
    EXPECT_EQ(first(block(8, 0)).reason, "a block device without zones");
    vpd_b1(2);
    EXPECT_EQ(first(block(8, 0)).transport, Kind::block);
    EXPECT_NE(first(block(8, 0)).reason.find("drive-managed"), std::string::npos);
    EXPECT_EQ(zone_facts(block(8, 0)).device, Zoned::drive_managed);
}

TEST_F(Choose, PassthroughNodesAreDrivenByScsi) {
    scsi_disk("20", "host-managed");
    for (const auto major : {21U, 246U}) {
        const auto node =
            host::describe(machine.places(), "/dev/generic", false, makedev(major, 0));
        ASSERT_TRUE(node);
        EXPECT_EQ(choose_for_device(*node, {}).front().transport, Kind::scsi);
        EXPECT_EQ(choose_for_device(*node, {}).size(), 1U);
    }
}

TEST_F(Choose, APartitionIsNotMistakenForItsDisk) {
    scsi_disk("20", "none");
    MadeUp::write(disk() / "sda1/partition", "1\n");
    machine.add_device("pseudo_0/adapter0/host0/target0:0:0/0:0:0:0/block/sda/sda1", "block", 8, 1);
    const auto choice = first(block(8, 1));
    EXPECT_EQ(choice.transport, Kind::block);
    EXPECT_NE(choice.reason.find("partition of /dev/sda"), std::string::npos) << choice.reason;
}

TEST_F(Choose, ANamespaceIsTriedByNvmeFirstThenByBlock) {
    host::Node node;
    node.kind = host::Node::Kind::block;
    node.path = "/dev/nvme0n1";
    node.block = "/dev/nvme0n1";
    node.nvme_generic = "/dev/ng0n1";
    ZoneFacts facts;
    facts.nvme = true;
    facts.block_layer = Zoned::host_managed;
    auto choices = choose_for_device(node, facts);
    ASSERT_EQ(choices.size(), 2U);
    EXPECT_EQ(choices[0].transport, Kind::nvme);
    EXPECT_NE(choices[0].reason.find("/dev/ng0n1"), std::string::npos);
    EXPECT_EQ(choices[1].transport, Kind::block);

    node.kind = host::Node::Kind::nvme_generic;
    node.path = "/dev/ng0n1";
    choices = choose_for_device(node, facts);
    ASSERT_EQ(choices.size(), 2U);
    EXPECT_EQ(choices[0].path, "/dev/ng0n1");
    EXPECT_EQ(choices[1].path, "/dev/nvme0n1");
}

TEST_F(Choose, ABlockDeviceWithoutZonesIsNotUsedForAZonedNamespace) {
    host::Node node;
    node.kind = host::Node::Kind::block;
    node.path = "/dev/nvme0n1";
    node.block = "/dev/nvme0n1";
    node.nvme_generic = "/dev/ng0n1";
    ZoneFacts facts;
    facts.nvme = true;
    facts.block_layer = Zoned::none;
    facts.device = Zoned::host_managed;
    const auto choices = choose_for_device(node, facts);
    ASSERT_EQ(choices.size(), 1U);
    EXPECT_EQ(choices[0].transport, Kind::nvme);

    facts.device = Zoned::none;
    EXPECT_EQ(choose_for_device(node, facts).front().transport, Kind::block);
}

TEST_F(Choose, EmulatedDisksAreRecognizedAndOtherFilesAreRefusedWithAdvice) {
    const test::TemporaryFolder folder;
    const auto path = folder / "disk";
    emulated::Shape shape;
    shape.size = 1 << 20;
    shape.zone_size = 1 << 18;
    ASSERT_TRUE(emulated::create(path, shape));
    const auto emulated_disk = choose(*host::look_at(path));
    ASSERT_TRUE(emulated_disk);
    EXPECT_EQ(emulated_disk->front().transport, Kind::emulated);

    std::ofstream(folder / "text") << "hello";
    const auto text = choose(*host::look_at(folder / "text"));
    ASSERT_FALSE(text);
    EXPECT_NE(text.error().message.find("block:" + (folder / "text")), std::string::npos)
        << text.error().message;

    const auto directory = choose(*host::look_at(folder.path().string()));
    ASSERT_FALSE(directory);
    EXPECT_NE(directory.error().message.find("is a directory"), std::string::npos);
}

TEST(ZoneFacts, VpdPageB1IsReadAsInSbc) {
    const auto page = [](unsigned char byte) {
        std::string text(64, '\0');
        text[1] = '\xB1';
        text[8] = static_cast<char>(byte);
        return text;
    };
    EXPECT_EQ(zoned_of_vpd_b1(page(0x00)), Zoned::none);
    EXPECT_EQ(zoned_of_vpd_b1(page(0x10)), Zoned::host_aware);
    EXPECT_EQ(zoned_of_vpd_b1(page(0x20)), Zoned::drive_managed);
    EXPECT_EQ(zoned_of_vpd_b1(page(0x30)), std::nullopt);
    EXPECT_EQ(zoned_of_vpd_b1(page(0x2F)), Zoned::drive_managed);
    EXPECT_EQ(zoned_of_vpd_b1(page(0x10).substr(0, 8)), std::nullopt);
    EXPECT_EQ(zoned_of_vpd_b1(std::string(64, '\0')), std::nullopt);
    EXPECT_EQ(zoned_of_vpd_b1(""), std::nullopt);
}

}  // namespace
}  // namespace zonebridge
