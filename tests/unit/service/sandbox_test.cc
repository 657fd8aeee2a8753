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
#include <sched.h>
#include <string>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
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
#include "tests/unit/service/confined.h"
#include "tests/unit/support/temporary.h"

namespace zonebridge::service {
namespace {

using test::TemporaryFolder;

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

}  // namespace
}  // namespace zonebridge::service
