// create that is killed in the middle leaves nothing that keeps a second try from succeeding.
#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <fcntl.h>
#include <filesystem>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/cli/program.h"

namespace zonebridge::test {
namespace {

/// Programs started meanwhile may write files of 4 KiB: the kernel kills them at the next write, as
/// anyone else might.
class SmallFiles {
  public:
    SmallFiles() {
        ::getrlimit(RLIMIT_FSIZE, &before_);
        const rlimit small{4096, before_.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &small);
    }
    SmallFiles(const SmallFiles&) = delete;
    SmallFiles& operator=(const SmallFiles&) = delete;
    ~SmallFiles() { ::setrlimit(RLIMIT_FSIZE, &before_); }

  private:
    rlimit before_{};
};

std::vector<std::string> create_at(const std::string& path) {
    return {"create", path, "--size", "64M", "--zone-size", "4M"};
}

std::size_t files_in(const std::string& folder) {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& file : std::filesystem::directory_iterator(folder)) ++count;
    return count;
}

void expect_killed(const std::string& path) {
    const SmallFiles small;
    EXPECT_EQ(zonebridge(create_at(path)).status, 128 + SIGXFSZ);
}

void expect_second_try(const std::string& path) {
    done(create_at(path));
    done({"info", path});
    EXPECT_NE(failed(create_at(path)).find("exists already and was not changed"),
              std::string::npos);
}

TEST(Create, KilledInTheMiddleLeavesNothing) {
    const TemporaryFolder folder;
    const auto path = folder / "disk.img";
    expect_killed(path);
    EXPECT_EQ(files_in(folder.path()), 0U);
    expect_second_try(path);
    EXPECT_EQ(files_in(folder.path()), 1U);
}

TEST(Create, LeavesADanglingLinkAlone) {
    const TemporaryFolder folder;
    const auto path = folder / "disk.img";
    std::filesystem::create_symlink("nowhere", path);
    EXPECT_NE(failed(create_at(path)).find("exists already"), std::string::npos);
    EXPECT_FALSE(std::filesystem::exists(folder / "nowhere"));
}

/// From here on this process and its children can make no file without a name, as on a file system
/// that has none.
bool forbid_nameless_files() {
    constexpr std::uint32_t nameless = 020000000;  // the kernel's __O_TMPFILE, a part of O_TMPFILE
    static_assert((O_TMPFILE & nameless) == nameless);
    std::array program{
        sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 3),
        sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[2])),
        sock_filter BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, nameless, 0, 1),
        sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EOPNOTSUPP),
        sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog filter{program.size(), program.data()};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

/// Runs `test` in a process whose file systems have no nameless files. True if it passed.
bool passes_without_nameless_files(void (*test)(const std::string& folder),
                                   const std::string& folder) {
    const auto child = ::fork();
    if (child == 0) {
        if (!forbid_nameless_files() || ::open(folder.c_str(), O_RDWR | O_TMPFILE, 0600) >= 0)
            ::_exit(2);
        test(folder);
        ::_exit(testing::Test::HasFailure() ? 1 : 0);
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    return status == 0;
}

TEST(Create, KilledWhereFilesNeedANameDoesNotBlockASecondTry) {
    const TemporaryFolder folder;
    EXPECT_TRUE(passes_without_nameless_files(
        [](const std::string& where) {
            const auto path = where + "/disk.img";
            expect_killed(path);
            EXPECT_FALSE(std::filesystem::exists(path));
            expect_second_try(path);
        },
        folder.path()));
    // The killed one's file is still there, under a name that nobody asks for.
    EXPECT_EQ(files_in(folder.path()), 2U);
}

}  // namespace
}  // namespace zonebridge::test
