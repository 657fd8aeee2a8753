#include "transports/host/node.h"

#include <fstream>
#include <sys/sysmacros.h>

#include <gtest/gtest.h>

#include "tests/unit/transports/host/made_up.h"

namespace zonebridge::host {
namespace {

using test::MadeUp;

Node described(const MadeUp& machine, const std::string& path, bool block, unsigned major,
               unsigned minor) {
    auto node = describe(machine.places(), path, block, makedev(major, minor));
    if (!node) ADD_FAILURE() << node.error().message;
    return node ? *node : Node{};
}

TEST(Node, EveryNodeOfAScsiDiskKnowsTheOthers) {
    MadeUp machine;
    machine.add_scsi_disk("0:0:0:0", "sda", 0);
    machine.add_scsi_disk("0:0:1:0", "sdb", 1);
    const std::vector<std::pair<Node, Node::Kind>> nodes{
        {described(machine, "x", true, 8, 1), Node::Kind::block},
        {described(machine, "x", false, 21, 1), Node::Kind::sg},
        {described(machine, "x", false, 246, 1), Node::Kind::bsg}};
    for (const auto& [node, kind] : nodes) {
        EXPECT_EQ(node.kind, kind);
        EXPECT_EQ(node.block, "/dev/sdb");
        EXPECT_EQ(node.sg, "/dev/sg1");
        EXPECT_EQ(node.bsg, "/dev/bsg/0:0:1:0");
        EXPECT_EQ(node.nvme_generic, std::nullopt);
        EXPECT_EQ(node.path, "x");
    }
    EXPECT_EQ(nodes[2].first.name, "0:0:1:0");
}

TEST(Node, AScsiDiskWithoutABlockDeviceHasNone) {
    MadeUp machine;
    machine.add_scsi_disk("0:0:0:0", "sda", 0, "20", false);
    const auto node = described(machine, "/dev/sg0", false, 21, 0);
    EXPECT_EQ(node.block, std::nullopt);
    EXPECT_EQ(node.bsg, "/dev/bsg/0:0:0:0");
}

TEST(Node, AnNvmeNamespaceAndItsGenericNodeKnowEachOther) {
    MadeUp machine;
    machine.add_device("pci0/nvme/nvme0/nvme0n1", "block", 259, 0);
    machine.add_device("pci0/nvme/nvme0/ng0n1", "nvme-generic", 237, 0);
    for (const auto& node : {described(machine, "/dev/nvme0n1", true, 259, 0),
                             described(machine, "/dev/ng0n1", false, 237, 0)}) {
        EXPECT_EQ(node.block, "/dev/nvme0n1");
        EXPECT_EQ(node.nvme_generic, "/dev/ng0n1");
    }
}

TEST(Node, AMultipathHeadFindsItsGenericNodeAndItsPathsAreNoDisks) {
    MadeUp machine;
    machine.add_device("virtual/nvme-subsystem/nvme-subsys0/nvme0n1", "block", 259, 1);
    machine.add_device("virtual/nvme-subsystem/nvme-subsys0/ng0n1", "nvme-generic", 237, 0);
    machine.add_device("pci0/nvme/nvme0/nvme0c0n1", "block", 259, 0);
    MadeUp::write(machine.sys() / "devices/pci0/nvme/nvme0/nvme0c0n1/hidden", "1\n");
    EXPECT_EQ(described(machine, "/dev/nvme0n1", true, 259, 1).nvme_generic, "/dev/ng0n1");
    const auto disks = every_disk(machine.places());
    ASSERT_EQ(disks.size(), 1u);
    EXPECT_EQ(disks[0].name, "nvme0n1");
}

TEST(Node, ANamespaceTheKernelHidesHasNoBlockDevice) {
    MadeUp machine;
    machine.add_device("pci0/nvme/nvme0/nvme0n1", "block", 259, 0);
    MadeUp::write(machine.sys() / "devices/pci0/nvme/nvme0/nvme0n1/hidden", "1\n");
    machine.add_device("pci0/nvme/nvme0/ng0n1", "nvme-generic", 237, 0);
    EXPECT_EQ(described(machine, "/dev/ng0n1", false, 237, 0).block, std::nullopt);
    const auto disks = every_disk(machine.places());
    ASSERT_EQ(disks.size(), 1u);
    EXPECT_EQ(disks[0].path, "/dev/ng0n1");
    EXPECT_EQ(disks[0].kind, Node::Kind::nvme_generic);
}

TEST(Node, APartitionNamesItsDisk) {
    MadeUp machine;
    machine.add_scsi_disk("0:0:0:0", "sda", 0);
    const auto* const where = "pseudo_0/adapter0/host0/target0:0:0/0:0:0:0/block/sda/sda1";
    MadeUp::write(machine.sys() / "devices" / where / "partition", "1\n");
    machine.add_device(where, "block", 8, 17);
    const auto node = described(machine, "/dev/sda1", true, 8, 17);
    EXPECT_EQ(node.kind, Node::Kind::block);
    EXPECT_EQ(node.partition_of, "/dev/sda");
    EXPECT_EQ(node.words, "a partition of /dev/sda");
    EXPECT_EQ(every_disk(machine.places()).size(), 1u);
}

TEST(Node, EveryDiskIsListedOnceByItsMostInformativeNode) {
    MadeUp machine;
    machine.add_device("virtual/block/nullb0", "block", 250, 0);
    machine.add_scsi_disk("0:0:0:0", "sda", 0);
    machine.add_scsi_disk("0:0:1:0", "sdb", 1, "20", false);
    machine.add_scsi_disk("0:0:2:0", "sdc", 2, "5", false);  // a CD drive is no disk
    std::vector<std::string> paths;
    for (const auto& disk : every_disk(machine.places())) paths.push_back(disk.path);
    EXPECT_EQ(paths, (std::vector<std::string>{"/dev/nullb0", "/dev/sda", "/dev/sg1"}));
}

TEST(Node, ReadsAttributesAndNumbers) {
    MadeUp machine;
    machine.add_device("virtual/block/nullb0", "block", 250, 0);
    const auto queue = machine.sys() / "devices/virtual/block/nullb0/queue";
    MadeUp::write(queue / "zoned", "host-managed\n");
    MadeUp::write(queue / "nr_zones", "64\n");
    MadeUp::write(queue / "odd", "12x\n");
    MadeUp::write(queue / "none", "");
    const auto node = described(machine, "/dev/nullb0", true, 250, 0);
    EXPECT_EQ(attribute(node, "queue/zoned"), "host-managed");
    EXPECT_EQ(attribute(node, "queue/none"), "");
    EXPECT_EQ(attribute(node, "queue/missing"), std::nullopt);
    EXPECT_EQ(number_of(node, "queue/nr_zones"), 64u);
    EXPECT_EQ(number_of(node, "queue/odd"), std::nullopt);
    EXPECT_EQ(number_of(node, "queue/none"), std::nullopt);
}

TEST(Node, ABlockDeviceTheKernelDoesNotKnowIsGone) {
    const MadeUp machine;
    const auto node = describe(machine.places(), "/dev/sdx", true, makedev(8, 240));
    ASSERT_FALSE(node);
    EXPECT_EQ(node.error().code, StatusCode::device_gone);
    EXPECT_NE(node.error().message.find("/dev/sdx: the kernel has no block device 8:240"),
              std::string::npos);
}

TEST(Node, DescribesFilesThatAreNoDisk) {
    const test::TemporaryFolder folder;
    const auto file = folder / "file";
    std::ofstream(file) << "x";
    const auto plain = look_at(file);
    ASSERT_TRUE(plain);
    EXPECT_EQ(plain->kind, Node::Kind::file);
    const auto directory = look_at(folder.path().string());
    ASSERT_TRUE(directory);
    EXPECT_EQ(directory->kind, Node::Kind::other);
    EXPECT_EQ(directory->words, "a directory");
    const auto terminal = look_at("/dev/null");
    ASSERT_TRUE(terminal);
    EXPECT_EQ(terminal->kind, Node::Kind::other);
    EXPECT_EQ(terminal->words, "a character device that is not a disk");
    const auto missing = look_at(folder / "missing");
    ASSERT_FALSE(missing);
    EXPECT_NE(missing.error().message.find(folder / "missing"), std::string::npos);
}

}  // namespace
}  // namespace zonebridge::host
