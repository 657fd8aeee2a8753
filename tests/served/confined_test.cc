// What a running server has given up, and what it can do all the same. The walls themselves:
// tests/unit/service/sandbox_test.
#include <filesystem>
#include <fstream>
#include <map>
#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/served/served_disk.h"

namespace zonebridge::test {
namespace {

/// The lines "KEY:\tVALUE" of each thread's status, by the threads' names.
std::map<std::string, std::map<std::string, std::string>> threads_of(int process) {
    std::map<std::string, std::map<std::string, std::string>> threads;
    const auto tasks = "/proc/" + std::to_string(process) + "/task";
    for (const auto& task : std::filesystem::directory_iterator(tasks)) {
        std::map<std::string, std::string> lines;
        std::ifstream status(task.path() / "status");
        for (std::string line; std::getline(status, line);)
            if (const auto colon = line.find(":\t"); colon != std::string::npos)
                lines[line.substr(0, colon)] = line.substr(colon + 2);
        threads[lines["Name"]] = std::move(lines);
    }
    return threads;
}

void expect_disk_works(const std::string& socket) {
    Guest guest(socket);
    const auto data = bytes_of(piece, 7);
    EXPECT_TRUE(must(guest.scsi->write(ServedDisk::lba(zone), data, ServedDisk::block)).good());
    EXPECT_EQ(must(guest.scsi->read(ServedDisk::lba(zone), piece_blocks, ServedDisk::block)).data,
              data);
}

TEST(Confined, EveryThreadOfAServerIs) {
    const Disk other;
    ServedDisk served({"--control", other / "control", "--workers", "2", "--explain"}, "scsi", {},
                      ServedDisk::Log::kept);
    expect_disk_works(served.socket());
    const auto threads = threads_of(served.process());
    for (const auto* const name : {"zonebridge", "zb-worker-0", "zb-worker-1", "zb-commit",
                                   "zb-ending", "zb-explain", "zb-control", "zb-control-disk"})
        EXPECT_TRUE(threads.contains(name)) << name;
    for (const auto& [name, lines] : threads) {
        EXPECT_EQ(lines.at("Seccomp"), "2") << name;
        EXPECT_EQ(lines.at("NoNewPrivs"), "1") << name;
        std::vector<std::string> sets{"CapPrm", "CapEff", "CapInh", "CapAmb"};
        if (::geteuid() == 0) sets.emplace_back("CapBnd");  // only root can empty that one
        for (const auto& set : sets)
            EXPECT_EQ(lines.at(set), "0000000000000000") << name << ' ' << set;
    }
    EXPECT_EQ(served.stop(), 0);
    const auto log = served.log();
    EXPECT_NE(log.find("zonebridge: sandbox: no capabilities"), std::string::npos) << log;
    EXPECT_NE(log.find("system calls (vhost-user, emulated, later disks"), std::string::npos)
        << log;
    EXPECT_FALSE(std::filesystem::exists(served.socket()));
    EXPECT_FALSE(std::filesystem::exists(other / "control"));
}

TEST(Confined, AServerMayRunAsAnotherUser) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
    ServedDisk served({"--user", "65534:65533"});
    expect_disk_works(served.socket());
    for (const auto& [name, lines] : threads_of(served.process())) {
        EXPECT_EQ(lines.at("Uid"), "65534\t65534\t65534\t65534") << name;
        EXPECT_EQ(lines.at("Gid"), "65533\t65533\t65533\t65533") << name;
    }
    EXPECT_EQ(served.stop(), 0);
    EXPECT_FALSE(std::filesystem::exists(served.socket()));
}

TEST(Confined, DisksAreAddedFromTheirFolderOnly) {
    const Disk inside;
    const Disk outside;
    const auto control = inside / "control";
    ServedDisk served({"--control", control, "--lun-root", inside / ""});
    Guest guest(served);
    done({"lun", "add", "1=" + inside.path(), "--socket", control});
    const auto refused = failed({"lun", "add", "2=" + outside.path(), "--socket", control});
    EXPECT_NE(refused.find("Permission denied"), std::string::npos) << refused;
    // The first disk is somewhere else, too.
    done({"lun", "refresh", "0", "--socket", control});
    EXPECT_EQ(json_of({"lun", "list", "--json", "--socket", control}).at("luns").size(), 2U);
    done({"lun", "remove", "1", "--now", "--socket", control});
}

TEST(Confined, ADiskWithoutAnySandboxWorksTheSame) {
    const Disk disk({"--size", "64M", "--zone-size", "4M", "--conventional", "2"});
    Background server(
        {"serve", disk.path(), "--virtio", "scsi", "--socket", disk / "s", "--sandbox", "off"}, {},
        disk / "log");
    ASSERT_NE(server.output_until("ready:").find("ready:"), std::string::npos);
    expect_disk_works(disk / "s");
    EXPECT_EQ(threads_of(server.process()).at("zonebridge").at("Seccomp"), "0");
    EXPECT_EQ(server.stop(), 0);
    EXPECT_EQ(read_file(disk / "log").find("sandbox"), std::string::npos);
}

TEST(Confined, APlainFileIsADiskToo) {
    const Disk folder;
    const auto file = folder / "plain";
    std::ofstream(file) << "";
    std::filesystem::resize_file(file, 64U << 20);
    Background server({"serve", "block:" + file, "--virtio", "scsi", "--socket", folder / "s",
                       "--sandbox", "require"});
    ASSERT_NE(server.output_until("ready:").find("ready:"), std::string::npos);
    expect_disk_works(folder / "s");
    EXPECT_EQ(server.stop(), 0);
}

}  // namespace
}  // namespace zonebridge::test
