#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "tests/unit/support/temporary.h"
#include "transports/block/discover.h"

namespace zonebridge::block {
namespace {

// A sysfs folder whose attributes the tests set.
class BlockIdentity : public ::testing::Test {
  protected:
    void set(const std::string& name, const std::string& value) {
        const auto file = folder.path() / name;
        std::filesystem::create_directories(file.parent_path());
        std::ofstream(file, std::ios::binary) << value;
    }
    [[nodiscard]] Identity of(const std::string& path, std::uint64_t size = 1 << 20) const {
        host::Node disk;
        disk.path = "/dev/sda";
        disk.name = "sda";
        disk.sysfs = folder.path();
        return identify(path, disk, size);
    }

    test::TemporaryFolder folder;
};

TEST_F(BlockIdentity, AScsiDiskIsIdentifiedFromSysfs) {
    set("device/vendor", "Linux   \n");
    set("device/model", "scsi_debug      \n");
    set("device/rev", "0191\n");
    set("device/wwid", "naa.3333333000007d0\n");
    set("device/vpd_pg80", std::string("\0\x80\0\x08", 4) + "    2000");
    const auto identity = of("/dev/sda");
    EXPECT_EQ(identity.vendor, "Linux");
    EXPECT_EQ(identity.product, "scsi_debug");
    EXPECT_EQ(identity.revision, "0191");
    EXPECT_EQ(identity.serial, "2000");
    EXPECT_EQ(identity.path, "/dev/sda");
}

TEST_F(BlockIdentity, TheWorldWideNameAloneDecidesTheUniqueId) {
    set("wwid", "eui.0123456789abcdef\n");
    const auto first = of("/dev/sda");
    EXPECT_EQ(of("/dev/sda").unique_id, first.unique_id);
    EXPECT_EQ(of("/dev/sda", 2 << 20).unique_id, first.unique_id);
    set("wwid", "eui.0123456789abcdee\n");
    EXPECT_NE(of("/dev/sda").unique_id, first.unique_id);
}

TEST_F(BlockIdentity, APartitionHasAnotherUniqueIdThanItsDisk) {
    set("wwid", "eui.0123456789abcdef\n");
    EXPECT_NE(of("/dev/sda1").unique_id, of("/dev/sda").unique_id);
}

TEST_F(BlockIdentity, WithoutANameThePathAndTheSizeDecideTheUniqueId) {
    const auto identity = of("/dev/sda");
    EXPECT_EQ(identity.product, "sda");
    EXPECT_EQ(identity.vendor, "");
    EXPECT_NE(of("/dev/sda", 2 << 20).unique_id, identity.unique_id);
}

TEST_F(BlockIdentity, ASerialNumberDecidesTheUniqueId) {
    set("device/vendor", "0x1af4\n");  // a PCI number, not a name
    set("serial", "disk-7\n");
    const auto identity = of("/dev/sda");
    EXPECT_EQ(identity.vendor, "");
    EXPECT_EQ(identity.serial, "disk-7");
    EXPECT_EQ(of("/dev/sda", 2 << 20).unique_id, identity.unique_id);
}

TEST_F(BlockIdentity, AnInvalidSerialPageGivesNoSerial) {
    set("device/vpd_pg80", std::string("\0\x80\0\x04", 4) + "a\xff\x01z");
    EXPECT_EQ(of("/dev/sda").serial, "");
    set("device/vpd_pg80", std::string("\0\x80", 2));
    EXPECT_EQ(of("/dev/sda").serial, "");
}

}  // namespace
}  // namespace zonebridge::block
