// serve, as its users see it: its options, its output, and that other programs can use the disk
// afterwards.
#include <array>
#include <filesystem>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/cli/program.h"

namespace zonebridge::test {
namespace {

sockaddr_un address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    return address;
}

TEST(Serve, WrongUsageIsRefusedWithAReason) {
    const std::pair<std::vector<std::string>, std::string> misuses[] = {
        {{"serve"}, "DEVICE"},
        {{"serve", "d", "--socket", "s"}, "--virtio"},
        {{"serve", "d", "--virtio", "scsi"}, "--socket"},
        {{"serve", "d", "--virtio", "net", "--socket", "s"}, "'net'"},
        {{"serve", "d", "--virtio", "blk", "--socket", "s", "--queues", "0"}, "'0'"},
        {{"serve", "d", "--virtio", "scsi", "--socket", "s", "--queues", "255"}, "'255'"},
        {{"serve", "d", "--virtio", "blk", "--socket", "s", "--queues", "many"}, "'many'"},
        {{"serve", "d", "--virtio", "blk", "--socket", "s", "--workers", "0"}, "'0'"},
        {{"serve", "d", "--virtio", "blk", "--socket", "s", "--workers", "65"}, "'65'"},
        {{"serve", "d", "--virtio", "blk", "--socket", "s", "--spin", "1001"}, "'1001'"},
        {{"serve", "d", "--virtio", "blk", "--socket", "s", "--spin", "on"}, "'on'"},
        {{"serve", "d", "--virtio", "scsi", "--socket", "s", "--fd", "3"}, "give only one of"},
        {{"serve", "d", "--virtio", "scsi", "--fd", "-1"}, "'-1'"},
        {{"serve", "d", "--virtio", "scsi", "--fd", "99999999999"}, "'99999999999'"},
        {{"serve", "d", "--virtio", "scsi", "--socket", ""}, "empty"},
        {{"serve", "d", "--virtio", "scsi", "--socket", "s", "--socket-mode", "0680"}, "'0680'"},
        {{"serve", "d", "--virtio", "scsi", "--socket", "s", "--socket-mode", "1777"}, "'1777'"},
        {{"serve", "d", "--virtio", "scsi", "--socket", "s", "--socket-group", "no group"},
         "there is no group 'no group'"},
        {{"serve", "d", "--virtio", "scsi", "--socket", "s", "--socket-group", "4294967295"},
         "'4294967295'"},
        {{"serve", "d", "--virtio", "scsi", "--fd", "3", "--socket-mode", "0660"}, "--socket-mode"},
        {{"serve", "d", "--vduse", "n", "--socket-group", "0"}, "--socket-group"},
        {{"serve", "d", "--virtio", "scsi", "--socket", "s", "--first-message", "soon"}, "'soon'"},
        {{"serve", "d", "--virtio", "scsi", "--socket", "s", "--first-message", "86401"},
         "'86401'"},
        {{"serve", "d", "--vduse", "n", "--first-message", "1"}, "--first-message"},
        {{"serve", "d", "--virtio", "scsi", "--socket", "s", "--second-front-end", "maybe"},
         "'maybe'"},
        {{"serve", "d", "--vduse", "n", "--second-front-end", "wait"}, "--second-front-end"},
        {{"serve", "x:d", "--virtio", "scsi", "--socket", "s"}, "x:"},
        {{"serve", "d", "--virtio", "blk"}, "--vduse"},
        {{"serve", "d", "--vduse", "n", "--socket", "s"}, "give only one of"},
        {{"serve", "d", "--vduse", "n", "--virtio", "blk", "--fd", "0"}, "give only one of"},
        {{"serve", "d", "--vduse", "n", "--virtio", "scsi"}, "VDUSE carries only block devices"},
        {{"serve", "d", "--vduse", "n", "--attach", "both"}, "'both'"},
        {{"serve", "d", "--virtio", "blk", "--socket", "s", "--attach", "host"}, "--attach"},
        {{"serve", "d", "--vduse", ""}, "name"},
        {{"serve", "d", "--virtio", "blk", "--socket", "s", "--lun", "1=e"}, "--lun"},
        {{"serve", "d", "--virtio", "scsi", "--socket", "s", "--lun", "0=e"}, "LUN 0"},
        {{"serve", "--virtio", "scsi", "--socket", "s", "--lun", "3=d", "--lun", "3=e"}, "LUN 3"},
        {{"serve", "--virtio", "scsi", "--socket", "s", "--lun", "256=d"}, "'256=d'"},
        {{"serve", "--virtio", "scsi", "--socket", "s", "--lun", "d"}, "'d'"},
        {{"serve", "--virtio", "scsi", "--socket", "s", "--lun", "1="}, "--lun"},
        {{"serve", "d", "--virtio", "scsi", "--socket", "s", "--urswrz", "2"}, "'2'"},
        {{"serve", "d", "--virtio", "blk", "--socket", "s", "--translate"}, "--translate"},
        {{"serve", "d", "--virtio", "blk", "--socket", "s", "--fault", "zone=7"}, "state="},
        {{"serve", "d", "--virtio", "blk", "--socket", "s", "--fault", "zone=7,error=bad"},
         "error=bad: give media, io or gone"},
        {{"serve", "d", "--virtio", "blk", "--socket", "s", "--fault", "latency=1s", "--fault",
          "x"},
         "'x'"},
        {{"serve", "d", "--virtio", "blk", "--socket", "s", "--fault", ""}, "--fault"},
        {{"serve", "d", "--virtio", "scsi", "--socket", "s", "--allow", "fromat"}, "'fromat'"},
        {{"serve", "d", "--virtio", "scsi", "--socket", "s", "--allow", "unmap,0x100"}, "0x100"},
        {{"serve", "d", "--vduse", "../n"}, "../n"},
        {{"serve", "d", "--vduse", "control"}, "control"},
        {{"serve", "d", "--vduse", std::string(64, 'n')}, "nnn"},
        {{"serve", "d", "--virtio", "blk", "--socket", "s", "--sandbox", "yes"}, "'yes'"},
        {{"serve", "d", "--virtio", "blk", "--socket", "s", "--user", "no-such-user"},
         "no-such-user"},
        {{"serve", "d", "--virtio", "blk", "--socket", "s", "--user", "0", "--sandbox", "off"},
         "--user"},
        {{"serve", "d", "--virtio", "scsi", "--socket", "s", "--lun-root", "/"}, "--control"},
    };
    for (const auto& [arguments, named] : misuses) {
        const auto result = zonebridge(arguments);
        EXPECT_EQ(result.status, 2) << ::testing::PrintToString(arguments) << result.err;
        EXPECT_NE(result.err.find(named), std::string::npos) << result.err;
    }
}

TEST(Serve, PrintCapabilitiesNeedsNoOtherOption) {
    EXPECT_EQ(json_of({"serve", "--print-capabilities"})["type"], "scsi");
    EXPECT_EQ(json_of({"serve", "d", "--print-capabilities"})["type"], "scsi");
    EXPECT_EQ(json_of({"serve", "--virtio", "blk", "--print-capabilities"})["type"], "block");
}

TEST(Serve, DisksAndSocketsThatCannotBeUsedAreFailures) {
    const Disk disk;
    const auto serve = [](const std::string& device, std::vector<std::string> rest) {
        rest.insert(rest.begin(), {"serve", device, "--virtio", "scsi"});
        return failed(rest);
    };
    EXPECT_NE(serve(disk / "missing", {"--socket", disk / "s"}).find("ENOENT"), std::string::npos);
    EXPECT_NE(serve(disk.path(), {"--socket", disk / "no/such"}).find("no/such"),
              std::string::npos);
    EXPECT_NE(serve(disk.path(), {"--socket", disk / std::string(200, 's')}).find("shorter"),
              std::string::npos);
    EXPECT_NE(serve(disk.path(), {"--fd", "77"}).find("EBADF"), std::string::npos);
    EXPECT_NE(serve(disk.path(), {"--fd", "0"}).find("descriptor 0"), std::string::npos);
    write_file(disk / "precious", "data");
    serve(disk.path(), {"--socket", disk / "precious"});
    EXPECT_EQ(read_file(disk / "precious"), "data");
}

// A kernel without VDUSE, or a user without permission, which the lab guest cannot show.
// tests/guest/vduse.sh tests what else can be missing.
TEST(Serve, WithoutVduseTheErrorSaysWhatIsMissing) {
    if (::access("/dev/vduse/control", R_OK | W_OK) == 0) GTEST_SKIP() << "this machine has VDUSE";
    const Disk disk;
    const auto line = failed({"serve", "--vduse", "disk0", disk.path()});
    EXPECT_NE(line.find("vduse"), std::string::npos) << line;
    EXPECT_TRUE(line.find("modprobe") != std::string::npos ||
                line.find("CONFIG_VDPA_USER") != std::string::npos ||
                line.find("root") != std::string::npos)
        << line;
    // VDUSE is checked before the disk.
    EXPECT_EQ(failed({"serve", "--vduse", "disk0", disk / "missing"}), line);
}

TEST(Serve, FaultsThatCanNeverActAreRefusedAtTheStart) {
    const auto refuses = [](const Disk& disk, const std::string& rule) {
        auto line = failed({"serve", disk.path(), "--virtio", "blk", "--socket", disk / "no/such",
                            "--fault", rule});
        EXPECT_NE(line.find(rule), std::string::npos) << line;
        return line;
    };
    const Disk disk;
    EXPECT_NE(refuses(disk, "zone=8,state=offline").find("8 zones, 0 to 7"), std::string::npos);
    EXPECT_NE(refuses(disk, "offset=32M,error=io").find("ends at 32M"), std::string::npos);
    const Disk plain({"--size", "32M", "--model", "none"});
    EXPECT_NE(refuses(plain, "state=offline").find("no zones"), std::string::npos);
    const auto passed = failed({"serve", "scsi:/dev/null", "--virtio", "scsi", "--socket",
                                disk / "s", "--fault", "error=io"});
    EXPECT_NE(passed.find("--translate"), std::string::npos) << passed;
}

TEST(Serve, InjectedFaultsAreMentionedInTheReadyLine) {
    const Disk disk;
    Background server({"serve", "--virtio", "blk", "--socket", disk / "s", disk.path(), "--fault",
                       "zone=3,error=media"});
    EXPECT_NE(server.output_until("ready:").find("faults on purpose"), std::string::npos);
    EXPECT_EQ(server.stop(), 0);
}

TEST(Serve, TheReadyLineSaysHowToAttachTheDisk) {
    const Disk disk;
    const auto socket = disk / "so,cket";
    Background server({"serve", "--virtio", "scsi", "--socket", socket, disk.path()});
    const auto output = server.output_until("ready:");
    EXPECT_NE(output.find("qemu: "), std::string::npos) << output;
    EXPECT_NE(output.find("path=" + (disk / "so,,cket")), std::string::npos) << output;
    EXPECT_NE(output.find("vhost-user-scsi-pci"), std::string::npos) << output;
    EXPECT_NE(output.find(disk.path()), std::string::npos) << output;
    EXPECT_TRUE(std::filesystem::is_socket(socket));
    EXPECT_EQ(server.stop(), 0);
    EXPECT_FALSE(std::filesystem::exists(socket));
}

TEST(Serve, TheReadyLineNamesAQemuDeviceThatSupportsTheDisk) {
    const auto says = [](const Disk& disk, const std::string& device) {
        Background server(
            {"serve", "--virtio", "blk", "--queues", "2", "--socket", disk / "s", disk.path()});
        const auto output = server.output_until("ready:");
        EXPECT_NE(output.find(device), std::string::npos) << output;
        EXPECT_EQ(server.stop(), 0);
    };
    says(Disk(),
         "-device vhost-user-test-device-pci,chardev=zonebridge,virtio-id=2,num_vqs=2,"
         "vq_size=256,config_size=96\n");
    says(Disk({"--size", "32M", "--model", "none"}),
         "-device vhost-user-blk-pci,chardev=zonebridge,disable-legacy=on\n");
}

TEST(Serve, RefusingReadsPastThePointerLeavesOrdinaryDisksAlone) {
    const Disk zoned;
    const Disk plain({"--size", "32M", "--model", "none"});
    Background server({"serve", "--virtio", "scsi", "--urswrz", "0", "--socket", zoned / "s",
                       "--lun", "0=" + zoned.path(), "--lun", "1=" + plain.path()},
                      {}, zoned / "log");
    EXPECT_NE(server.output_until("ready:").find("LUN 1 "), std::string::npos);
    EXPECT_EQ(server.stop(), 0);
    const auto log = read_file(zoned / "log");
    EXPECT_NE(log.find(plain.path() + ": --urswrz is for host-managed disks"), std::string::npos)
        << log;
    EXPECT_EQ(log.find(zoned.path() + ": --urswrz"), std::string::npos) << log;
}

TEST(Serve, MoreWorkersThanQueuesAreMentioned) {
    const Disk disk;
    // The socket cannot be created, so the output is only what the server prints before that.
    const auto output = [&disk](std::vector<std::string> options) {
        options.insert(options.begin(), {"serve", disk.path(), "--socket", disk / "no/such"});
        const auto result = zonebridge(options);
        EXPECT_EQ(result.status, 1);
        return result.err;
    };
    for (const auto* const device : {"scsi", "blk"})
        EXPECT_NE(output({"--virtio", device, "--workers", "5", "--queues", "3"})
                      .find("so only that many run"),
                  std::string::npos)
            << device;
    for (const auto& options : std::vector<std::vector<std::string>>{
             {"--virtio", "scsi"},
             {"--virtio", "scsi", "--workers", "5"},
             {"--virtio", "blk", "--workers", "5"},
             {"--virtio", "blk", "--workers", "64", "--spin", "20"},
             {"--virtio", "blk", "--workers", "1", "--spin", "off"},
             {"--virtio", "blk", "--spin", "auto"}})
        EXPECT_EQ(output(options).find("workers"), std::string::npos)
            << ::testing::PrintToString(options);
}

TEST(Serve, ZoneSizesThatLinuxGuestsRefuseAreMentioned) {
    const auto output = [](const Disk& disk) {
        return zonebridge({"serve", "--virtio", "blk", "--socket", disk / "no/such", disk.path()})
            .err;
    };
    EXPECT_NE(output(Disk({"--size", "30M", "--zone-size", "3M"})).find("not a power of two"),
              std::string::npos);
    EXPECT_EQ(output(Disk({"--size", "32M", "--zone-size", "4M"})).find("power of two"),
              std::string::npos);
}

TEST(Serve, OtherProgramsCanReadButNotWriteAServedDisk) {
    const Disk disk;
    done({"write", disk.path(), "--offset", "8M"}, pattern(4096));
    Background server({"serve", "--virtio", "scsi", "--socket-path", disk / "s", disk.path()});
    ASSERT_NE(server.output_until("ready:"), "");

    const auto info = zonebridge({"info", disk.path(), "--json"});
    EXPECT_EQ(info.status, 0) << info.err;
    EXPECT_NE(info.err.find("zonebridge: note: "), std::string::npos) << info.err;
    EXPECT_NE(info.err.find("last flushed"), std::string::npos) << info.err;
    EXPECT_EQ(info.err.find('\n'), info.err.size() - 1);
    EXPECT_NE(nlohmann::json::parse(info.out)["notice"], "");
    const auto report = zonebridge({"report", disk.path(), "--json"});
    EXPECT_EQ(report.status, 0);
    EXPECT_TRUE(nlohmann::json::parse(report.out).contains("notice"));
    EXPECT_EQ(zonebridge({"read", disk.path(), "--offset", "8M", "--length", "4K"}).out,
              pattern(4096));

    for (const auto& arguments : std::vector<std::vector<std::string>>{
             {"reset", disk.path(), "--all"},
             {"write", disk.path(), "--offset", "0"},
             {"append", disk.path(), "--zone", "3"},
             {"serve", "--virtio", "scsi", "--socket", disk / "other", disk.path()}}) {
        const auto line = failed(arguments);
        EXPECT_NE(line.find("zonebridge"), std::string::npos) << line;
    }
    EXPECT_EQ(server.stop(), 0);
    EXPECT_EQ(done({"report", disk.path(), "--json"}), done({"report", disk.path(), "--json"}));
    done({"reset", disk.path(), "--all"});
}

TEST(Serve, ReadOnlyServersMayShareADisk) {
    const Disk disk;
    Background one(
        {"serve", "--virtio", "scsi", "--socket", disk / "1", "--read-only", disk.path()});
    Background other(
        {"serve", "--virtio", "scsi", "--socket", disk / "2", "--read-only", disk.path()});
    EXPECT_NE(one.output_until("ready:").find("read-only"), std::string::npos);
    EXPECT_NE(other.output_until("ready:").find("read-only"), std::string::npos);
    EXPECT_EQ(one.stop(), 0);
    EXPECT_EQ(other.stop(), 0);
}

TEST(Serve, TheServiceManagerIsNotified) {
    const Disk disk;
    const auto path = disk / "notify";
    const auto manager = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const auto address = address_of(path);
    ASSERT_EQ(::bind(manager, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    Background server({"serve", "--virtio", "scsi", "--socket", disk / "s", disk.path()},
                      {"NOTIFY_SOCKET=" + path});
    ASSERT_NE(server.output_until("ready:"), "");
    std::array<char, 4096> buffer{};
    const auto got = ::recv(manager, buffer.data(), buffer.size(), 0);
    ASSERT_GT(got, 0);
    EXPECT_EQ(std::string(buffer.data(), static_cast<std::size_t>(got)).rfind("READY=1\n", 0), 0U);
    EXPECT_EQ(server.stop(), 0);
    ::close(manager);
}

}  // namespace
}  // namespace zonebridge::test
