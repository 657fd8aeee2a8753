// Break-outs: what a guest would try that has taken a worker over. Each runs in a process of its own,
// on a worker's thread that ran before the process was confined.
#include "service/sandbox.h"

#include <array>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <linux/capability.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <sched.h>
#include <string>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>

#include "service/helper_process.h"
#include "service/own_device_bus.h"
#include "service/worker.h"
#include "tests/unit/support/temporary.h"

namespace zonebridge::service {
namespace {

using test::TemporaryFolder;

/// Returns what becomes the process's exit status: 0, an errno, or `bad`.
using Attempt = std::function<int(Ring& ring)>;
constexpr int bad = 200;

struct Ended {
    int status = -1;  ///< Exit status; 1000 + signal if a signal ended the process.
    std::string log;
};
constexpr int killed = 1000;

/// Runs `child` in a process of its own, with its standard error in Ended::log.
Ended in_process(const std::function<int()>& child) {
    std::array<int, 2> log{};
    if (::pipe2(log.data(), O_CLOEXEC) != 0) return {};
    const auto process = ::fork();
    if (process == 0) {
        ::dup2(log[1], STDERR_FILENO);
        ::_exit(child());
    }
    ::close(log[1]);
    Ended ended;
    std::array<char, 512> piece{};
    for (ssize_t got = 0; (got = ::read(log[0], piece.data(), piece.size())) > 0;)
        ended.log.append(piece.data(), static_cast<std::size_t>(got));
    ::close(log[0]);
    int status = 0;
    ::waitpid(process, &status, 0);
    ended.status = WIFSIGNALED(status) ? killed + WTERMSIG(status) : WEXITSTATUS(status);
    return ended;
}

Workers one_worker() {
    auto workers = start_workers(1, Spin(std::chrono::microseconds{0}), [](const Error&) {});
    if (!workers) ::_exit(bad);
    return std::move(*workers);
}

int on_worker(const Workers& workers, const Attempt& attempt) {
    int result = bad;
    workers[0]->call([&](Ring& ring) { result = attempt(ring); });
    return result;
}

/// A server with an emulated disk; `rules` for its broker.
Ended confined(const Attempt& attempt, const BrokerRules& rules = {},
               Parts parts = {Part::base, Part::vhost_user, Part::emulated}) {
    return in_process([&] {
        SandboxOptions options;
        options.mode = SandboxOptions::Mode::require;
        auto sandbox = Sandbox::start(options, rules);
        if (!sandbox) return bad;
        const auto workers = one_worker();
        if (const auto entered = sandbox->enter(parts); !entered) {
            std::fputs(entered.error().message.c_str(), stderr);
            return bad;
        }
        return on_worker(workers, attempt);
    });
}

int error_of(long result) {
    return result < 0 ? errno : 0;
}

int try_open(const std::string& path, int flags) {
    return error_of(::open(path.c_str(), flags, 0600));
}

struct Forbidden {
    const char* name;
    std::function<long()> call;
};

// No call that libc would refuse by itself before it reaches the kernel.
std::vector<Forbidden> forbidden_calls() {
    const auto raw = [](auto... words) { return [=] { return ::syscall(words...); }; };
    return {
        {"execve", [] { return ::execl("/bin/true", "true", nullptr); }},
        {"execveat", raw(SYS_execveat, AT_FDCWD, "/bin/true", nullptr, nullptr, 0)},
        {"fork", raw(SYS_fork)},
        {"namespace", raw(SYS_unshare, CLONE_NEWUSER)},
        {"setns", raw(SYS_setns, 0, 0)},
        {"socket", [] { return ::socket(AF_UNIX, SOCK_STREAM, 0); }},
        {"internet", [] { return ::socket(AF_INET, SOCK_DGRAM, 0); }},
        {"connect",
         [] {
             sockaddr_un address{};
             address.sun_family = AF_UNIX;
             return ::connect(0, reinterpret_cast<const sockaddr*>(&address), sizeof address);
         }},
        {"bind", raw(SYS_bind, 0, nullptr, 0)},
        {"mount", [] { return ::mount("none", "/tmp", "tmpfs", 0, nullptr); }},
        {"new mount", raw(SYS_fsopen, "tmpfs", 0)},
        {"process memory", raw(SYS_process_vm_writev, ::getppid(), nullptr, 0, nullptr, 0, 0)},
        {"descriptor of a process", raw(SYS_pidfd_getfd, 0, 0, 0)},
        {"signal", [] { return ::kill(::getppid(), 0); }},
        {"another user", raw(SYS_setuid, 0)},
        {"mode of a file", raw(SYS_fchmodat, AT_FDCWD, "/tmp", 0777)},
        {"file by its number", raw(SYS_open_by_handle_at, 0, nullptr, 0)},
        {"ring", raw(SYS_io_uring_setup, 1, nullptr)},
        {"ring's registrations", raw(SYS_io_uring_register, 0, IORING_REGISTER_FILES, nullptr, 0)},
        {"program for the kernel", raw(SYS_bpf, 0, nullptr, 0)},
        {"key", raw(SYS_keyctl, 0, 0, 0)},
        {"page faults", raw(SYS_userfaultfd, 0)},
        {"terminal input", [] { return ::ioctl(0, TIOCSTI, "x"); }},
        {"SCSI command", [] { return ::ioctl(0, 0x2285, nullptr); }},
        {"code",
         [] {
             return ::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                           0) == MAP_FAILED
                        ? -1
                        : 0;
         }},
        {"code in memory", raw(SYS_mprotect, 4096, 4096, PROT_READ | PROT_EXEC)},
        {"code by pkey", raw(SYS_pkey_mprotect, 4096, 4096, PROT_READ | PROT_EXEC, -1)},
        {"handler of forbidden calls",
         [] { return ::signal(SIGSYS, SIG_IGN) == SIG_ERR ? -1 : 0; }},
        {"32-bit call", raw(0x40000000 | SYS_getpid)},
    };
}

TEST(SandboxTest, AForbiddenCallEndsTheProcess) {
    for (const auto& forbidden : forbidden_calls()) {
        const std::string name = forbidden.name;
        // AddressSanitizer tries it for its reports.
        if (sanitized && name == "fork") continue;
        const auto ended = confined([&](Ring&) { return error_of(forbidden.call()); });
        EXPECT_EQ(ended.status, killed + SIGSYS) << name << ": " << ended.log;
    }
}

TEST(SandboxTest, TheLogNamesTheThreadAndTheCall) {
    const auto ended = confined([](Ring&) { return error_of(::syscall(SYS_swapoff, "/none")); });
    EXPECT_EQ(ended.status, killed + SIGSYS);
    EXPECT_NE(ended.log.find("sandbox: the thread zb-worker-0 made the system call number 168"),
              std::string::npos)
        << ended.log;
}

TEST(SandboxTest, NoTracerAndNoProcess) {
    if (sanitized) GTEST_SKIP() << "the leak checker of this build makes a tracer";
    EXPECT_EQ(
        confined([](Ring&) { return error_of(::ptrace(PTRACE_ATTACH, ::getppid(), 0, 0)); }).status,
        killed + SIGSYS);
    EXPECT_EQ(
        confined([](Ring&) { return error_of(::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)); }).status,
        killed + SIGSYS);
}

TEST(SandboxTest, AThreadThatStartsLaterIsConfined) {
    const auto ended = confined([](Ring&) {
        std::thread([] { (void)::socket(AF_UNIX, SOCK_STREAM, 0); }).join();
        return 0;
    });
    EXPECT_EQ(ended.status, killed + SIGSYS) << ended.log;
}

TEST(SandboxTest, NoFileIsOpenedExaminedOrRemovedByItsPath) {
    const TemporaryFolder folder;
    const auto file = folder / "file";
    std::ofstream(file) << "content";
    struct stat facts {};
    const std::vector<Attempt> attempts{
        [&](Ring&) { return try_open(file, O_RDONLY); },
        [&](Ring&) { return try_open(file, O_WRONLY | O_TRUNC); },
        [&](Ring&) { return try_open(folder / "new", O_WRONLY | O_CREAT); },
        [&](Ring&) { return try_open("/proc/self/mem", O_RDWR); },
        [&](Ring&) { return error_of(::stat(file.c_str(), &facts)); },
        [&](Ring&) { return error_of(::unlink(file.c_str())); },
    };
    for (std::size_t i = 0; i < attempts.size(); ++i)
        EXPECT_EQ(confined(attempts[i]).status, EACCES) << i;
    std::string content;
    std::getline(std::ifstream(file), content);
    EXPECT_EQ(content, "content");
    EXPECT_NE(::access((folder / "new").c_str(), F_OK), 0);
}

struct RecordedResult final : Ring::Completer {
    void complete(const Result& result) noexcept override {
        value = result.value;
        done = true;
    }
    int value = 0;
    bool done = false;
};

int by_ring(Ring& ring, const std::function<void(io_uring_sqe*)>& prepare) {
    RecordedResult result;
    prepare(ring.prepare(result));
    while (!result.done)
        if (!ring.turn(Loop::Wait::sleep)) return bad;
    return result.value < 0 ? -result.value : 0;
}

TEST(SandboxTest, TheRingOpensNothing) {
    EXPECT_EQ(confined([](Ring& ring) {
                  return by_ring(ring, [](io_uring_sqe* entry) {
                      io_uring_prep_openat(entry, AT_FDCWD, "/etc/passwd", O_RDONLY, 0);
                  });
              }).status,
              EACCES);
    EXPECT_EQ(confined([](Ring& ring) {
                  return by_ring(ring, [](io_uring_sqe* entry) {
                      io_uring_prep_rw(IORING_OP_SOCKET, entry, AF_INET, nullptr, 0, SOCK_STREAM);
                  });
              }).status,
              EACCES);
}

// ---- Each wall by itself.

/// Only what every thread has of its own.
Ended confined_threads(const Confinement& how, const Attempt& attempt) {
    return in_process([&] {
        const auto workers = one_worker();
        ConfinedThreads threads;
        if (const auto done = threads.confine(how); !done) {
            std::fputs(done.error().message.c_str(), stderr);
            return bad;
        }
        return on_worker(workers, attempt);
    });
}

TEST(SandboxTest, LandlockAloneStopsAnOpen) {
    const auto rules = make_landlock_rules();
    if (!rules) GTEST_SKIP() << rules.error().message;
    Confinement how;
    how.capabilities = ~std::uint64_t{0};
    how.landlock = &*rules;
    const auto attempt = [](Ring&) { return try_open("/etc/passwd", O_RDONLY); };
    EXPECT_EQ(confined_threads(how, attempt).status, EACCES);
    how.landlock = nullptr;
    EXPECT_EQ(confined_threads(how, attempt).status, 0);
}

/// The line of /proc/thread-self/status that begins with `key`.
std::string status_line(const std::string& key) {
    std::ifstream status("/proc/thread-self/status");
    for (std::string line; std::getline(status, line);)
        if (line.starts_with(key)) return line.substr(key.size());
    return {};
}

TEST(SandboxTest, CapabilitiesAloneAreGoneOnEveryThread) {
    Confinement how;
    how.capabilities = std::uint64_t{1} << CAP_SYS_RAWIO;
    const auto ended = confined_threads(how, [](Ring&) {
        for (const auto* const set : {"CapPrm:\t", "CapEff:\t"}) {
            const auto bits = std::stoull(status_line(set), nullptr, 16);
            if ((bits & ~(std::uint64_t{1} << CAP_SYS_RAWIO)) != 0) return bad;
        }
        return status_line("NoNewPrivs:\t") == "1" ? 0 : bad;
    });
    EXPECT_EQ(ended.status, 0) << ended.log;
}

TEST(SandboxTest, EveryThreadBecomesTheUserAndKeepsWhatItIsToKeep) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
    const auto user = parse_run_as("65534:65533");
    ASSERT_TRUE(user) << user.error();
    Confinement how;
    how.run_as = *user;
    how.capabilities = std::uint64_t{1} << CAP_SYS_RAWIO;
    const auto ended = confined_threads(how, [](Ring&) {
        if (status_line("Uid:\t") != "65534\t65534\t65534\t65534") return bad;
        if (status_line("Gid:\t") != "65533\t65533\t65533\t65533") return bad + 1;
        if (status_line("Groups:\t").find_first_not_of(' ') != std::string::npos) return bad + 2;
        return error_of(::syscall(SYS_setuid, 0)) == EPERM ? 0 : bad + 3;
    });
    EXPECT_EQ(ended.status, 0) << ended.log;
}

TEST(SandboxTest, AUserIsANameOrANumberWithAGroup) {
    const auto root = parse_run_as("root");
    ASSERT_TRUE(root) << root.error();
    EXPECT_EQ(root->user, 0U);
    EXPECT_EQ(root->group, 0U);
    EXPECT_EQ(parse_run_as("0:7")->group, 7U);
    for (const auto* text :
         {"", ":0", "no-such-user", "0:", "0:no-such-group", "4294967295:0", "4000000000", "-1:0"})
        EXPECT_FALSE(parse_run_as(text)) << text;
}

TEST(SandboxTest, KeepsOnlyTheCapabilitiesOfItsParts) {
    EXPECT_EQ(needed_capabilities({Part::base, Part::vhost_user, Part::emulated, Part::block}), 0U);
    EXPECT_EQ(needed_capabilities({Part::base, Part::vhost_user, Part::later_disks}), 0U);
    EXPECT_EQ(needed_capabilities({Part::base, Part::vhost_user, Part::scsi}),
              std::uint64_t{1} << CAP_SYS_RAWIO);
}

// ---- The process for the vDPA bus.

TEST(SandboxTest, TheBusProcessAnswersAsTheBusDoes) {
    const auto direct = open_own_device_bus("vduse", "zb-no-such-device", true);
    const auto asked = open_own_device_bus("vduse", "zb-no-such-device", false);
    ASSERT_TRUE(asked) << asked.error().message;
    const auto answer = (*asked)->find();
    if (direct) {
        ASSERT_TRUE(answer) << answer.error().message;
        EXPECT_FALSE(*answer);
        return;
    }
    // A kernel without the bus.
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().message, direct.error().message);
    EXPECT_EQ(answer.error().code, direct.error().code);
    EXPECT_EQ((*asked)->remove().error().message, direct.error().message);
}

TEST(SandboxTest, AHelperProcessKeepsNothingAndEndsWithItsChannel) {
    const auto helper = start_helper_process("zb-test", 0, [](int channel) {
        namespace fs = std::filesystem;
        const auto open = std::distance(fs::directory_iterator("/proc/self/fd"), {});
        const auto facts = status_line("CapEff:\t") + ' ' + status_line("NoNewPrivs:\t") + ' ' +
                           std::to_string(open);
        (void)!::write(channel, facts.data(), facts.size());
        char byte = 0;
        (void)!::read(channel, &byte, 1);
    });
    ASSERT_TRUE(helper) << helper.error().message;
    std::array<char, 256> facts{};
    const auto got = ::read(helper->channel.get(), facts.data(), facts.size() - 1);
    ASSERT_GT(got, 0);
    // Three standard streams, the channel, and the folder that is being read.
    EXPECT_STREQ(facts.data(), "0000000000000000 1 5");
    EXPECT_EQ(::shutdown(helper->channel.get(), SHUT_RDWR), 0);
    int status = -1;
    EXPECT_EQ(::waitpid(helper->process, &status, 0), helper->process);
    EXPECT_EQ(status, 0);
}

// ---- The broker.

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
