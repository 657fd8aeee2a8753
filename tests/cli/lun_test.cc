// lun with a real server and no guest: its output, and that disks are opened and closed.
#include <chrono>
#include <filesystem>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/cli/program.h"

namespace zonebridge::test {
namespace {

/// A server with a control socket, and with `luns` from the start.
class Server {
  public:
    explicit Server(const Disk& disk, const std::vector<std::string>& luns = {})
        : socket(disk / "socket"), control(disk / "control"), program_(arguments(luns)) {
        output = program_.output_until("ready:");
    }

    [[nodiscard]] std::vector<std::string> lun(std::vector<std::string> words) const {
        words.insert(words.begin(), "lun");
        words.insert(words.end(), {"--socket", control});
        return words;
    }
    [[nodiscard]] nlohmann::json luns() const { return json_of(lun({"list", "--json"}))["luns"]; }
    int stop() { return program_.stop(); }

    const std::string socket;
    const std::string control;
    std::string output;

  private:
    [[nodiscard]] std::vector<std::string> arguments(const std::vector<std::string>& luns) const {
        std::vector<std::string> words{"serve", "--virtio",  "scsi", "--socket",
                                       socket,  "--control", control};
        for (const auto& one : luns) words.insert(words.end(), {"--lun", one});
        return words;
    }

    Background program_;
};

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

TEST(Lun, WrongUsageIsRefusedWithAReason) {
    const std::pair<std::vector<std::string>, std::string> misuses[] = {
        {{"lun"}, "list, add, remove, refresh"},
        {{"lun", "format"}, "format"},
        {{"lun", "list"}, "--socket"},
        {{"lun", "list", "--bogus", "--socket", "s"}, "--bogus"},
        {{"lun", "add", "--socket", "s"}, "N=DEVICE"},
        {{"lun", "add", "disk.img", "--socket", "s"}, "'disk.img'"},
        {{"lun", "add", "256=disk.img", "--socket", "s"}, "'256=disk.img'"},
        {{"lun", "add", "1=", "--socket", "s"}, "N=DEVICE"},
        {{"lun", "add", "1=x:disk.img", "--socket", "s"}, "x:"},
        {{"lun", "add", "1=d", "--translate", "--allow", "sanitize", "--socket", "s"}, "--allow"},
        {{"lun", "remove", "all", "--socket", "s"}, "'all'"},
        {{"lun", "remove", "256", "--socket", "s"}, "'256'"},
        {{"lun", "refresh", "--socket", "s"}, "N is required"},
        {{"lun", "remove", "1", "--socket", ""}, "empty"},
    };
    for (const auto& [arguments, named] : misuses) {
        const auto result = zonebridge(arguments);
        EXPECT_EQ(result.status, 2) << ::testing::PrintToString(arguments) << result.err;
        EXPECT_TRUE(contains(result.err, named)) << result.err;
        EXPECT_EQ(result.out, "");
    }
}

TEST(Lun, DisksAreAddedListedAndRemoved) {
    const Disk first;
    const Disk second;
    Server server(first, {"0=" + first.path()});
    const auto added = done(server.lun({"add", "7=" + second.path()}));
    EXPECT_TRUE(contains(added, "LUN 7")) << added;
    EXPECT_TRUE(contains(added, second.path())) << added;
    EXPECT_TRUE(contains(failed({"reset", second.path(), "--all"}), "in use by"));
    const auto list = done(server.lun({"list"}));
    EXPECT_TRUE(contains(list, "LUN 0: " + first.path() + " (32 MiB, host-managed, 8 zones of 4M)"))
        << list;
    EXPECT_TRUE(contains(list, "LUN 7: " + second.path())) << list;

    const auto luns = server.luns();
    ASSERT_EQ(luns.size(), 2U);
    EXPECT_EQ(luns[1]["lun"], 7);
    EXPECT_EQ(luns[1]["device"], second.path());
    EXPECT_EQ(luns[1]["model"], "host-managed");
    EXPECT_EQ(luns[1]["size"], 32 << 20);
    EXPECT_EQ(luns[1]["zone_size"], 4 << 20);
    EXPECT_EQ(luns[1]["zone_count"], 8);
    EXPECT_EQ(luns[1]["read_only"], false);
    EXPECT_EQ(luns[1]["passed_through"], false);

    EXPECT_EQ(done(server.lun({"remove", "7"})), "removed LUN 7\n");
    done({"reset", second.path(), "--all"});
    EXPECT_EQ(done(server.lun({"remove", "0", "--now"})), "removed LUN 0\n");
    EXPECT_EQ(done(server.lun({"list"})), "no disk is served at the moment\n");
    EXPECT_EQ(server.luns().size(), 0U);
    done({"reset", first.path(), "--all"});
    EXPECT_EQ(server.stop(), 0);
    EXPECT_FALSE(std::filesystem::exists(server.control));
    EXPECT_FALSE(std::filesystem::exists(server.socket));
}

TEST(Lun, AServerMayStartWithoutDisksAndClosesAddedOnes) {
    const Disk disk;
    const Disk other;
    Server server(disk);
    EXPECT_TRUE(contains(server.output, "no disk yet")) << server.output;
    EXPECT_TRUE(contains(server.output, "vhost-user-scsi-pci")) << server.output;
    done(server.lun({"add", "0=" + disk.path()}));
    done(server.lun({"add", "1=" + other.path(), "--read-only"}));
    done({"reset", other.path(), "--all"});  // opened read-only
    EXPECT_EQ(server.luns()[1]["read_only"], true);
    EXPECT_EQ(server.stop(), 0);
    done({"reset", disk.path(), "--all"});
}

TEST(Lun, APathIsRelativeToTheClientsFolder) {
    const Disk disk;
    Server server(disk);
    const auto here = std::filesystem::current_path();
    std::filesystem::current_path(std::filesystem::path(disk.path()).parent_path());
    const auto name = std::filesystem::path(disk.path()).filename().string();
    done(server.lun({"add", "1=" + name}));
    done(server.lun({"remove", "1", "--now"}));
    done(server.lun({"add", "1=emulated:" + name}));
    std::filesystem::current_path(here);
    EXPECT_EQ(server.luns()[0]["device"], "emulated:" + disk.path());
    done(server.lun({"add", "2=null:1G"}));
    EXPECT_EQ(server.luns()[1]["device"], "null:1G");
    EXPECT_EQ(server.stop(), 0);
}

TEST(Lun, RefreshShowsTheNewSizeOfADisk) {
    const Disk disk;
    write_file(disk / "file", std::string(1 << 20, 'x'));
    Server server(disk, {"3=block:" + (disk / "file")});
    EXPECT_TRUE(contains(done(server.lun({"refresh", "3"})), "its size did not change"));
    std::filesystem::resize_file(disk / "file", 3 << 20);
    // The server also looks by itself, every two seconds.
    const auto refreshed = done(server.lun({"refresh", "3"}));
    EXPECT_TRUE(contains(refreshed, "it was 1 MiB, and is 3 MiB now") ||
                contains(refreshed, "its size did not change"))
        << refreshed;
    EXPECT_EQ(server.luns()[0]["size"], 3 << 20);
    std::filesystem::resize_file(disk / "file", 5 << 20);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{20};
    while (server.luns()[0]["size"] != 5 << 20 && std::chrono::steady_clock::now() < deadline)
        std::this_thread::sleep_for(std::chrono::milliseconds{100});
    EXPECT_EQ(server.luns()[0]["size"], 5 << 20);
    EXPECT_TRUE(contains(done(server.lun({"refresh", "3"})), "its size did not change"));
    std::filesystem::remove(disk / "file");
    EXPECT_TRUE(contains(failed(server.lun({"refresh", "3"})), "LUN 3 was removed"));
    EXPECT_EQ(server.luns().size(), 0U);
    EXPECT_EQ(server.stop(), 0);
}

TEST(Lun, RefusalsOfTheServerArePrinted) {
    const Disk disk;
    const Disk held;
    Server server(disk, {"0=" + disk.path()});
    Background holder({"serve", "--virtio", "scsi", "--socket", held / "s", held.path()});
    ASSERT_NE(holder.output_until("ready:"), "");
    const auto refused = failed(server.lun({"add", "1=" + held.path()}));
    EXPECT_TRUE(contains(refused, "in use by process") && contains(refused, "(zonebridge)"))
        << refused;
    EXPECT_TRUE(contains(failed(server.lun({"add", "0=" + held.path()})), disk.path()))
        << "names the disk that has the number";
    EXPECT_TRUE(contains(failed(server.lun({"add", "1=" + (disk / "missing")})), "ENOENT"));
    EXPECT_TRUE(contains(failed(server.lun({"remove", "4"})), "no LUN 4"));
    EXPECT_TRUE(contains(failed(server.lun({"refresh", "4"})), "the served LUNs are 0"));
    EXPECT_EQ(server.luns().size(), 1U);
    EXPECT_EQ(holder.stop(), 0);
    EXPECT_EQ(server.stop(), 0);
}

TEST(Lun, WithoutAServerTheErrorSaysWhatThePathIs) {
    const Disk disk;
    const auto list = [](const std::string& path) {
        return failed({"lun", "list", "--socket", path});
    };
    EXPECT_TRUE(contains(list(disk / "none"), "serve --control"));
    EXPECT_TRUE(contains(list(disk.path()), "is not a socket"));
    EXPECT_TRUE(contains(list(disk / std::string(200, 's')), "107"));
    {
        const auto dead = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        (disk / "dead").copy(address.sun_path, sizeof address.sun_path - 1);
        ASSERT_EQ(::bind(dead, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
        ::close(dead);
    }
    EXPECT_TRUE(contains(list(disk / "dead"), "has ended"));
    Server server(disk, {"0=" + disk.path()});
    EXPECT_TRUE(contains(list(server.socket), "--control")) << "the socket for guests";
    EXPECT_EQ(server.luns().size(), 1U) << "the server is not affected";
    EXPECT_EQ(server.stop(), 0);
}

TEST(Lun, AServerDoesNotReplaceAnothersControlSocket) {
    const Disk disk;
    const Disk other;
    Server server(disk, {"0=" + disk.path()});
    EXPECT_TRUE(contains(failed({"serve", "--virtio", "scsi", "--socket", other / "s", "--control",
                                 server.control, other.path()}),
                         "server that is running"));
    write_file(other / "precious", "data");
    failed({"serve", "--virtio", "scsi", "--socket", other / "s", "--control", other / "precious",
            other.path()});
    EXPECT_EQ(read_file(other / "precious"), "data");
    EXPECT_EQ(server.luns().size(), 1U);
    EXPECT_EQ(server.stop(), 0);
}

}  // namespace
}  // namespace zonebridge::test
