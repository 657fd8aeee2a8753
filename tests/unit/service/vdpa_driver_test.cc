// The sysfs files of a vDPA device, in a made-up tree with the layout of Linux 6.12, because the
// host's kernel may have no vDPA. tests/guest/vduse.sh tests with the real sysfs.
#include "service/vdpa_driver.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "tests/unit/support/temporary.h"

namespace zonebridge::service {
namespace {

namespace fs = std::filesystem;

class Sysfs : public ::testing::Test {
  protected:
    Sysfs() {
        fs::create_directories(device());
        fs::create_directories(folder_.path() / "bus/vdpa/drivers");
        write("bus/vdpa/drivers_probe", "");
        write("bus/vdpa/devices/disk0/driver_override", "");
    }
    [[nodiscard]] fs::path device() const { return folder_.path() / "bus/vdpa/devices/disk0"; }
    void write(const std::string& name, const std::string& text) const {
        fs::create_directories((folder_.path() / name).parent_path());
        std::ofstream(folder_.path() / name) << text;
    }
    [[nodiscard]] std::string read(const std::string& name) const {
        std::ifstream file(folder_.path() / name);
        std::string line;
        std::getline(file, line);
        return line;
    }
    void load(const std::string& driver) const {
        write("bus/vdpa/drivers/" + driver + "/unbind", "");
    }
    void bind(const std::string& driver) const {
        load(driver);
        fs::create_directory_symlink(folder_.path() / "bus/vdpa/drivers" / driver,
                                     device() / "driver");
    }
    void virtio_status(const std::string& status) const {
        write("bus/vdpa/devices/disk0/virtio3/status", status);
    }
    [[nodiscard]] VdpaDriver driver(VdpaAttach attach = VdpaAttach::host) const {
        return {"disk0", attach, folder_.path()};
    }

  private:
    test::TemporaryFolder folder_;
};

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

TEST_F(Sysfs, TheBoundDriverIsFound) {
    EXPECT_EQ(driver().bound(), std::nullopt);
    bind("vhost_vdpa");
    EXPECT_EQ(driver().bound(), "vhost_vdpa");
}

TEST_F(Sysfs, AHostDiskIsFoundOnceItHasASize) {
    bind("virtio_vdpa");
    EXPECT_EQ(driver().node(), std::nullopt);
    virtio_status("0x00000007\n");
    EXPECT_EQ(driver().node(), std::nullopt);
    write("bus/vdpa/devices/disk0/virtio3/block/vdb/size", "0\n");
    EXPECT_EQ(driver().node(), std::nullopt);
    write("bus/vdpa/devices/disk0/virtio3/block/vdb/size", "1024\n");
    EXPECT_EQ(driver().node(), "/dev/vdb");
    EXPECT_EQ(driver(VdpaAttach::guest).node(), std::nullopt);
}

TEST_F(Sysfs, AGuestNodeIsFound) {
    bind("vhost_vdpa");
    EXPECT_EQ(driver(VdpaAttach::guest).node(), std::nullopt);
    write("bus/vdpa/devices/disk0/vhost-vdpa-7/dev", "243:7\n");
    EXPECT_EQ(driver(VdpaAttach::guest).node(), "/dev/vhost-vdpa-7");
    EXPECT_EQ(driver().node(), std::nullopt);
}

TEST_F(Sysfs, TheRightDriverStaysBound) {
    bind("virtio_vdpa");
    EXPECT_TRUE(driver().bind());
    EXPECT_EQ(read("bus/vdpa/devices/disk0/driver_override"), "");
    EXPECT_EQ(read("bus/vdpa/drivers_probe"), "");
}

TEST_F(Sysfs, AWrongDriverIsUnboundAndTheRightOneProbed) {
    bind("vhost_vdpa");
    load("virtio_vdpa");
    // No driver binds in a made-up tree, so bind() fails in the end.
    const auto bound = driver().bind();
    ASSERT_FALSE(bound);
    EXPECT_TRUE(has(bound.error().message, "did not take the device")) << bound.error().message;
    EXPECT_EQ(read("bus/vdpa/devices/disk0/driver_override"), "virtio_vdpa");
    EXPECT_EQ(read("bus/vdpa/drivers/vhost_vdpa/unbind"), "disk0");
    EXPECT_EQ(read("bus/vdpa/drivers_probe"), "disk0");
}

TEST_F(Sysfs, AMissingModuleIsNamedAndNothingIsChanged) {
    bind("vhost_vdpa");
    const auto host = driver().bind();
    ASSERT_FALSE(host);
    EXPECT_TRUE(has(host.error().message, "modprobe virtio_vdpa")) << host.error().message;
    EXPECT_EQ(read("bus/vdpa/drivers/vhost_vdpa/unbind"), "");
    EXPECT_EQ(read("bus/vdpa/devices/disk0/driver_override"), "");
    fs::remove(device() / "driver");
    fs::remove_all(device() / "../../drivers/vhost_vdpa");
    const auto guest = driver(VdpaAttach::guest).bind();
    ASSERT_FALSE(guest);
    EXPECT_TRUE(has(guest.error().message, "modprobe vhost_vdpa")) << guest.error().message;
}

TEST_F(Sysfs, OnlyAFailedStatusIsARefusal) {
    bind("virtio_vdpa");
    EXPECT_EQ(driver().refusal(), std::nullopt);
    virtio_status("0x0000000b\n");
    EXPECT_EQ(driver().refusal(), std::nullopt);
    virtio_status("0x00000083\n");
    const auto refusal = driver().refusal();
    ASSERT_TRUE(refusal);
    EXPECT_TRUE(has(*refusal, "virtio3 has the status 0x83: ACKNOWLEDGE DRIVER FAILED"))
        << *refusal;
    EXPECT_TRUE(has(*refusal, "CONFIG_BLK_DEV_ZONED")) << *refusal;
    EXPECT_TRUE(has(*refusal, "dmesg")) << *refusal;
}

TEST_F(Sysfs, ADelayIsExplained) {
    EXPECT_TRUE(has(driver().delay(), "made no virtio device"));
    virtio_status("0x00000001\n");
    EXPECT_TRUE(has(driver().delay(), "modprobe virtio_blk"));
    write("bus/virtio/drivers/virtio_blk/uevent", "");
    EXPECT_TRUE(has(driver().delay(), "0x01: ACKNOWLEDGE")) << driver().delay();
    EXPECT_TRUE(has(driver(VdpaAttach::guest).delay(), "/dev/vhost-vdpa-N"));
}

}  // namespace
}  // namespace zonebridge::service
