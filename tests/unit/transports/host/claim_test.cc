#include "transports/host/claim.h"

#include <sys/sysmacros.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/unit/transports/host/made_up.h"

namespace zonebridge::host {
namespace {

using test::MadeUp;

class Holders : public ::testing::Test {
  protected:
    void SetUp() override {
        machine.add_scsi_disk("0:0:0:0", "sda", 0);
        const std::string disk = "pseudo_0/adapter0/host0/target0:0:0/0:0:0:0/block/sda";
        MadeUp::write(machine.sys() / "devices" / disk / "sda1/partition", "1\n");
        machine.add_device(disk + "/sda1", "block", 8, 1);
        machine.add_device("virtual/block/nullb0", "block", 250, 0);
        machine.add_device("virtual/block/dm-0", "block", 253, 0);
        MadeUp::write(machine.sys() / "devices/virtual/block/dm-0/dm/name", "vault\n");
    }

    [[nodiscard]] std::vector<std::string> of(unsigned major, unsigned minor) const {
        const auto node = describe(machine.places(), "/dev/x", true, makedev(major, minor));
        std::vector<std::string> words;
        if (!node) return {node.error().message};
        for (const auto& holder : find_holders(machine.places(), *node))
            words.push_back(holder.words);
        return words;
    }

    MadeUp machine;
};

using Words = std::vector<std::string>;

TEST_F(Holders, AFreeDiskHasNone) {
    machine.mount("8:1", "/dev/sda1", "/boot");
    EXPECT_EQ(of(250, 0), Words());
}

TEST_F(Holders, MountsAreFoundByNumberAndBySource) {
    machine.mount("250:0", "/dev/root", "/mnt/with\\040blank");
    machine.mount("0:45", "/dev/nullb0", "/btrfs");
    machine.mount("0:46", "tmpfs", "/tmp");
    EXPECT_EQ(of(250, 0), (Words{"is mounted at /mnt/with blank", "is mounted at /btrfs"}));
}

TEST_F(Holders, MountPointsAreReported) {
    machine.mount("8:1", "/dev/sda1", "/boot");
    const auto node = describe(machine.places(), "/dev/x", true, makedev(8, 0));
    ASSERT_TRUE(node);
    std::vector<std::optional<std::string>> points;
    for (const auto& holder : find_holders(machine.places(), *node))
        points.push_back(holder.mount_point);
    EXPECT_EQ(points, (std::vector<std::optional<std::string>>{std::nullopt, "/boot"}));
}

TEST_F(Holders, APartitionAndItsMountCount) {
    machine.mount("8:1", "/dev/sda1", "/boot");
    EXPECT_EQ(of(8, 0), (Words{"has the partition /dev/sda1",
                               "/dev/sda1, a partition of it, is mounted at /boot"}));
}

TEST_F(Holders, StackedDevicesAndTheirMountsCount) {
    MadeUp::link(machine.sys() / "devices/virtual/block/dm-0",
                 machine.sys() / "devices/virtual/block/nullb0/holders/dm-0");
    machine.mount("253:0", "/dev/mapper/vault", "/vault");
    EXPECT_EQ(of(250, 0), (Words{"is part of /dev/dm-0 (device mapper's vault)",
                                 "/dev/dm-0, which is made of it, is mounted at /vault"}));
}

TEST_F(Holders, ACircleOfHoldersDoesNotHang) {
    const auto folder = machine.sys() / "devices/virtual/block";
    MadeUp::link(folder / "dm-0", folder / "nullb0/holders/dm-0");
    MadeUp::link(folder / "nullb0", folder / "dm-0/holders/nullb0");
    EXPECT_GE(of(250, 0).size(), 2u);
}

TEST_F(Holders, SwapCounts) {
    MadeUp::write(machine.proc() / "swaps",
                  "Filename\tType\tSize\tUsed\tPriority\n"
                  "/dev/nullb0                      partition\t100\t0\t-2\n");
    EXPECT_EQ(of(250, 0), Words{"is used for swapping"});
    EXPECT_EQ(of(8, 1), Words());
}

TEST_F(Holders, ProcessesAreNamedWithWhetherTheyWrite) {
    machine.open_in(123, "fio", "/dev/nullb0", "0142002");
    machine.open_in(124, "smartd", "/dev/nullb0", "0100000");
    machine.open_in(125, "cat", "/dev/sda1", "0100000");
    machine.open_in(::getpid(), "zonebridge", "/dev/nullb0", "0100002");
    auto words = of(250, 0);
    std::sort(words.begin(), words.end());
    EXPECT_EQ(words,
              (Words{"is already open in this process", "is open for writing in fio (process 123)",
                     "is open in smartd (process 124)"}));
}

TEST_F(Holders, MountsReadersAndWritersHaveTheirKinds) {
    machine.open_in(124, "smartd", "/dev/nullb0", "0100000");
    machine.open_in(125, "fio", "/dev/nullb0", "0100001");
    machine.mount("250:0", "/dev/nullb0", "/mnt");
    const auto node = describe(machine.places(), "/dev/nullb0", true, makedev(250, 0));
    ASSERT_TRUE(node);
    std::vector<Holder::Kind> kinds;
    for (const auto& holder : find_holders(machine.places(), *node)) kinds.push_back(holder.kind);
    EXPECT_EQ(kinds,
              (std::vector{Holder::Kind::mounted, Holder::Kind::reader, Holder::Kind::writer}));
}

TEST(Claim, ANodeWithoutABlockDeviceNeedsNoClaim) {
    Node node;
    node.kind = Node::Kind::nvme_generic;
    const auto claim = Claim::take_sibling(node, false);
    ASSERT_TRUE(claim);
    EXPECT_FALSE(claim->holds());
}

}  // namespace
}  // namespace zonebridge::host
