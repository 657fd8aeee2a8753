// The broker: what it opens, creates and tells for a confined server, and what it refuses.
#include <array>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <linux/io_uring.h>
#include <string>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/unit/service/confined.h"
#include "tests/unit/support/temporary.h"

namespace zonebridge::service {
namespace {

using test::TemporaryFolder;

class BrokerTest : public ::testing::Test {
  protected:
    BrokerTest() {
        ::mkdir((folder_ / "root").c_str(), 0700);
        std::ofstream(folder_ / "root/disk") << "disk";
        std::ofstream(folder_ / "secret") << "secret";
        EXPECT_EQ(::symlink("../secret", (folder_ / "root/link").c_str()), 0);
        EXPECT_EQ(::symlink("disk", (folder_ / "root/good").c_str()), 0);
        rules_.disks = true;
        rules_.lun_root = folder_ / "root";
        rules_.own_files = {folder_ / "socket"};
    }

    Ended with_broker(const Attempt& attempt) const {
        return confined(attempt, rules_,
                        {Part::base, Part::vhost_user, Part::emulated, Part::later_disks});
    }
    int opening(const std::string& path, int flags) const {
        return with_broker([&](Ring&) { return try_open(path, flags); }).status;
    }

    TemporaryFolder folder_;
    BrokerRules rules_;
};

TEST_F(BrokerTest, OpensDisksBelowTheRootOnly) {
    EXPECT_EQ(opening(folder_ / "root/disk", O_RDWR), 0);
    EXPECT_EQ(opening(folder_ / "root/good", O_RDWR), 0);
    EXPECT_EQ(opening(folder_ / "root/none", O_RDWR), ENOENT);
    EXPECT_EQ(opening(folder_ / "secret", O_RDONLY), EACCES);
    EXPECT_EQ(opening(folder_ / "root/link", O_RDONLY), EACCES);
    EXPECT_EQ(opening(folder_ / "root/../secret", O_RDONLY), EACCES);
    EXPECT_EQ(opening("/etc/passwd", O_RDONLY), EACCES);
}

TEST_F(BrokerTest, OpensTheFirstDisksWhereverTheyAre) {
    rules_.first_disks = nodes_of_disk(folder_ / "secret");
    EXPECT_EQ(opening(folder_ / "secret", O_RDWR), 0);
    EXPECT_EQ(opening("/etc/passwd", O_RDONLY), EACCES);
    EXPECT_TRUE(nodes_of_disk(folder_ / "none").empty());
}

TEST_F(BrokerTest, CreatesAndShortensNothing) {
    EXPECT_EQ(opening(folder_ / "root/new", O_RDWR | O_CREAT), EACCES);
    EXPECT_EQ(opening(folder_ / "root/disk", O_RDWR | O_TRUNC), EACCES);
    EXPECT_EQ(opening(folder_ / "root", O_RDWR | O_TMPFILE), EACCES);
    struct stat facts {};
    ASSERT_EQ(::stat((folder_ / "root/disk").c_str(), &facts), 0);
    EXPECT_EQ(facts.st_size, 4);
}

TEST_F(BrokerTest, WithoutARootOpensWhatCanBeADiskOnly) {
    rules_.lun_root.reset();
    EXPECT_EQ(opening(folder_ / "secret", O_RDWR), 0);
    for (const auto* const path :
         {"/proc/self/mem", "/proc/1/mem", "/proc/self/environ", "/proc/1/root",
          "/proc/sys/vm/drop_caches", "/sys/power/state", "/dev/null", "/dev/tty", "/tmp"})
        EXPECT_EQ(opening(path, O_RDWR), EACCES) << path;
    EXPECT_EQ(opening("/proc/sys/kernel/core_pattern", O_WRONLY), EACCES);
}

TEST_F(BrokerTest, ReadsWhatTellsAboutDisksAndTheirUsers) {
    for (const auto* const path : {"/proc", "/proc/self/mountinfo", "/proc/self/fd", "/proc/swaps",
                                   "/proc/1/comm", "/sys/class/block", "/dev/zero"})
        EXPECT_EQ(opening(path, O_RDONLY), 0) << path;
    std::vector<std::string> others{"/proc/1/environ", "/proc/kcore", "/proc/kmsg"};
    if (!sanitized) others.emplace_back("/proc/self/maps");  // the leak checker reads it
    for (const auto& path : others) EXPECT_NE(opening(path, O_RDONLY), 0) << path;
    EXPECT_NE(opening("/dev/zero", O_RDWR), 0);
}

TEST_F(BrokerTest, TellsFactsAndLinks) {
    const auto ended = with_broker([&](Ring&) {
        struct stat facts {};
        if (::stat((folder_ / "secret").c_str(), &facts) != 0 || facts.st_size != 6) return bad;
        if (::lstat((folder_ / "root/link").c_str(), &facts) != 0 || !S_ISLNK(facts.st_mode))
            return bad + 1;
        struct statx more {};
        if (::statx(AT_FDCWD, (folder_ / "secret").c_str(), 0, STATX_SIZE, &more) != 0 ||
            more.stx_size != 6)
            return bad + 2;
        std::array<char, 64> target{};
        if (::readlink((folder_ / "root/link").c_str(), target.data(), target.size()) != 9)
            return bad + 3;
        return std::string(target.data()) == "../secret" ? 0 : bad + 4;
    });
    EXPECT_EQ(ended.status, 0) << ended.log;
}

TEST_F(BrokerTest, RemovesTheServersOwnFilesOnly) {
    std::ofstream(folder_ / "socket") << "";
    EXPECT_EQ(with_broker([&](Ring&) {
                  return error_of(::unlink((folder_ / "root/disk").c_str()));
              }).status,
              EACCES);
    EXPECT_EQ(
        with_broker([&](Ring&) { return error_of(::unlink((folder_ / "socket").c_str())); }).status,
        0);
    EXPECT_EQ(::access((folder_ / "root/disk").c_str(), F_OK), 0);
    EXPECT_NE(::access((folder_ / "socket").c_str(), F_OK), 0);
}

TEST_F(BrokerTest, TheLibrarysOwnCallsWork) {
    namespace fs = std::filesystem;
    const auto ended = with_broker([&](Ring&) {
        std::error_code failed;
        if (fs::canonical(folder_ / "root/good", failed) != fs::path(folder_ / "root/disk"))
            return bad;
        if (fs::read_symlink(folder_ / "root/link", failed) != "../secret") return bad + 1;
        if (!fs::exists("/sys/class/block", failed)) return bad + 2;
        int count = 0;
        for (fs::directory_iterator entry("/sys/class", failed), end; !failed && entry != end;
             entry.increment(failed))
            ++count;
        if (count == 0) return bad + 3;
        std::string line;
        if (!std::getline(std::ifstream("/proc/self/mountinfo"), line)) return bad + 4;
        return std::getline(std::ifstream("/proc/1/environ"), line) ? bad + 5 : 0;
    });
    EXPECT_EQ(ended.status, 0) << ended.log;
}

// A disk that is added later is tried with a ring of its own.
TEST_F(BrokerTest, MakesRingsThatAreLimited) {
    const auto ended = with_broker([](Ring&) {
        auto ring = Ring::create(8);
        if (!ring) return bad;
        if (by_ring(**ring, [](io_uring_sqe* entry) { io_uring_prep_nop(entry); }) != 0)
            return bad + 1;
        return by_ring(**ring, [](io_uring_sqe* entry) {
            io_uring_prep_openat(entry, AT_FDCWD, "/etc/passwd", O_RDONLY, 0);
        });
    });
    EXPECT_EQ(ended.status, EACCES) << ended.log;
    // Not disabled at first, or with a thread of the kernel's that submits.
    for (const unsigned flags : {0U, IORING_SETUP_R_DISABLED | IORING_SETUP_SQPOLL})
        EXPECT_EQ(with_broker([&](Ring&) {
                      io_uring_params parameters{};
                      parameters.flags = flags;
                      return error_of(::syscall(SYS_io_uring_setup, 8, &parameters));
                  }).status,
                  EPERM);
    EXPECT_EQ(with_broker([](Ring&) {
                  return error_of(::syscall(SYS_io_uring_setup, 8, nullptr));
              }).status,
              EFAULT);
}

TEST_F(BrokerTest, BadPathsAreErrors) {
    const auto raw_open = [&](const void* path, int folder = AT_FDCWD) {
        return with_broker([&](Ring&) {
                   return error_of(::syscall(SYS_openat, folder, path, O_RDONLY, 0));
               })
            .status;
    };
    EXPECT_EQ(raw_open(nullptr), EFAULT);
    EXPECT_EQ(raw_open(reinterpret_cast<const void*>(0xFFFFFFFFFFFFF000)), EFAULT);
    EXPECT_EQ(raw_open(std::string(8192, 'a').c_str()), EFAULT);
    EXPECT_EQ(raw_open(""), ENOENT);
    EXPECT_EQ(raw_open("disk", 0), EACCES);
}

}  // namespace
}  // namespace zonebridge::service
