// A server under a limit of open files: it counts what it needs, refuses in words what it can't
// serve, and never runs out.

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/served/served_disk.h"

namespace zonebridge::test {
namespace {

class FewFiles : public testing::Test {
  protected:
    static constexpr std::uint16_t queues = 16;

    FewFiles() {
        for (int i = 1; i <= 3; ++i)
            done({"create", more(i), "--size", "64M", "--zone-size", "4M"});
    }

    [[nodiscard]] std::string more(int i) const { return disk / ("more" + std::to_string(i)); }

    /// Starts a server that may open that many files; true if it is ready.
    bool start(Background::Files files) {
        server.reset();
        std::filesystem::remove(disk / "log");
        server = std::make_unique<Background>(
            std::vector<std::string>{"serve", disk.path(), "--virtio", "scsi", "--socket",
                                     disk / "socket", "--control", disk / "control", "--queues",
                                     std::to_string(queues), "--workers", "3"},
            std::vector<std::string>{}, disk / "log", files);
        return server->output_until("ready:").find("ready:") != std::string::npos;
    }
    [[nodiscard]] std::string log() const { return read_file(disk / "log"); }
    /// The number that the last refusal in `text` says is needed.
    [[nodiscard]] static rlim_t needed(const std::string& text) {
        const std::string words = "may need ";
        const auto at = text.find(words);
        return at == std::string::npos ? 0 : std::strtoul(&text[at + words.size()], nullptr, 10);
    }
    Result add(int number) {
        return zonebridge({"lun", "add", std::to_string(number) + "=" + more(number), "--socket",
                           disk / "control"});
    }

    Disk disk;
    std::unique_ptr<Background> server;
};

TEST_F(FewFiles, TooFewForOneDiskAndOneSessionAreRefusedInWords) {
    EXPECT_FALSE(start({.soft = 60, .hard = 60}));
    EXPECT_EQ(server->stop(), 1);
    EXPECT_NE(log().find("this process may open 60 files ('ulimit -n'), and 1 disk with"),
              std::string::npos)
        << log();
}

TEST_F(FewFiles, TheSoftLimitIsRaised) {
    ASSERT_TRUE(start({.soft = 60, .hard = 4096})) << log();
    { Guest guest(disk / "socket", {.request_queues = queues}); }
    EXPECT_EQ(add(1).status, 0);
    EXPECT_EQ(server->stop(), 0);
}

TEST_F(FewFiles, WhatIsCountedIsEnough) {
    ASSERT_FALSE(start({.soft = 60, .hard = 60}));
    const auto exact = needed(log());
    ASSERT_GT(exact, 60U) << log();
    ASSERT_TRUE(start({.soft = exact, .hard = exact})) << log();
    // The limit has no room for another disk, and the server says so before it opens anything.
    for (int i = 0; i < 3; ++i) {
        const auto refused = add(1);
        EXPECT_EQ(refused.status, 1);
        EXPECT_NE(refused.err.find("2 disks with a front end"), std::string::npos) << refused.err;
    }
    // Whole sessions, with a channel back, fit in beside as many clients as the control socket takes.
    for (int i = 0; i < 3; ++i) {
        Guest guest(disk / "socket", {.request_queues = queues});
        EXPECT_TRUE(must(guest.scsi->test_unit_ready()).good());
        EXPECT_EQ(zonebridge({"lun", "list", "--socket", disk / "control"}).status, 0);
        EXPECT_EQ(zonebridge({"lun", "refresh", "0", "--socket", disk / "control"}).status, 0);
    }
    EXPECT_EQ(server->stop(), 0);
    EXPECT_EQ(log().find("Too many open files"), std::string::npos) << log();
}

TEST_F(FewFiles, ThreeDisksNeedWhatIsCountedForThree) {
    ASSERT_FALSE(start({.soft = 60, .hard = 60}));
    const auto one = needed(log());
    ASSERT_TRUE(start({.soft = one, .hard = one}));
    const auto two = needed(add(1).err);
    ASSERT_GT(two, one);
    const auto three = two + (two - one);
    ASSERT_TRUE(start({.soft = three, .hard = three}));
    EXPECT_EQ(add(1).status, 0);
    EXPECT_EQ(add(2).status, 0);
    EXPECT_EQ(add(3).status, 1);
    {
        Guest guest(disk / "socket", {.request_queues = queues});
        EXPECT_EQ(zonebridge({"lun", "remove", "2", "--socket", disk / "control", "--now"}).status,
                  0);
        EXPECT_EQ(add(3).status, 0);
    }
    EXPECT_EQ(server->stop(), 0);
    EXPECT_EQ(log().find("Too many open files"), std::string::npos) << log();
}

}  // namespace
}  // namespace zonebridge::test
