#include "service/confined_threads.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <grp.h>
#include <linux/landlock.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <system_error>
#include <thread>
#include <unistd.h>

#include <fmt/format.h>

#include "service/helper_process.h"

namespace zonebridge::service {
namespace {

namespace fs = std::filesystem;

template <typename Number>
std::optional<Number> number_in(const std::string& text) {
    Number value = 0;
    const auto* const end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, value);
    // The last number means "unchanged" to the kernel.
    if (text.empty() || parsed.ec != std::errc{} || parsed.ptr != end || value == ~Number{0})
        return std::nullopt;
    return value;
}

// Threads that the kernel made for io_uring take no signals. They work with the rights that a
// request's submitter had when it submitted the request.
bool is_of_kernel(const fs::path& task) {
    constexpr unsigned long io_worker = 0x10;  // PF_IO_WORKER of linux/sched.h
    std::ifstream file(task / "stat");
    std::string line;
    std::getline(file, line);
    // "12 (name) S parent group session tty terminal FLAGS"; a name may contain blanks and brackets.
    const auto* field = line.c_str() + std::min(line.size(), line.rfind(')'));
    for (int skipped = 0; skipped < 7 && *field != '\0'; ++field)
        if (*field == ' ') ++skipped;
    return (std::strtoul(field, nullptr, 10) & io_worker) != 0;
}

std::vector<pid_t> threads_of_process() {
    std::vector<pid_t> threads;
    std::error_code failed;
    for (fs::directory_iterator entry("/proc/self/task", failed), end; !failed && entry != end;
         entry.increment(failed)) {
        const auto id = number_in<int>(entry->path().filename().string());
        if (id && !is_of_kernel(entry->path())) threads.push_back(*id);
    }
    return threads;
}

bool is_alive(pid_t thread) {
    return ::syscall(SYS_tgkill, ::getpid(), thread, 0) == 0;
}

/// What `step` returned, as a positive errno or 0. Bare system calls: the C library would change the
/// users of all threads, and is not made for signal handlers.
int error_of(long step) noexcept {
    return step < 0 ? errno : 0;
}

int change_user(const RunAs& to) noexcept {
    // Without this the change of the user would take all capabilities away at once.
    if (const int error = error_of(::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)); error != 0) return error;
    if (const int error = error_of(::syscall(SYS_setgroups, 0, nullptr)); error != 0) return error;
    if (const int error = error_of(::syscall(SYS_setresgid, to.group, to.group, to.group));
        error != 0)
        return error;
    return error_of(::syscall(SYS_setresuid, to.user, to.user, to.user));
}

void reduce_bounding_set(std::uint64_t kept) noexcept {
    // Needs a capability itself; without it, a process gains nothing that no_new_privs would not
    // deny.
    for (unsigned capability = 0; capability < 64; ++capability)
        if ((kept >> capability & 1) == 0) (void)::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
}

/// Changes the calling thread. Only what a signal handler may call.
int change_this_thread(const Confinement& how) noexcept {
    if (const int error = error_of(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)); error != 0)
        return error;
    reduce_bounding_set(how.capabilities);
    if (how.run_as)
        if (const int error = change_user(*how.run_as); error != 0) return error;
    if (const int error = reduce_capabilities(how.capabilities); error != 0) return error;
    if (how.landlock == nullptr) return 0;
    return error_of(::syscall(SYS_landlock_restrict_self, how.landlock->rules.get(), 0));
}

tl::unexpected<Error> cannot_confine(int error, const std::string& what) {
    return tl::unexpected(os_failure(error, what));
}

}  // namespace

/// A thread that was asked to change itself.
struct ConfinedThreads::Record {
    static constexpr int pending = -1;

    static void on_signal(int /*signal*/, siginfo_t* info, void* /*context*/) {
        if (info->si_code != SI_QUEUE || info->si_pid != ::getpid()) return;
        const int saved = errno;
        auto& record = *static_cast<Record*>(info->si_value.sival_ptr);
        record.result.store(change_this_thread(*record.how), std::memory_order_release);
        errno = saved;
    }

    pid_t thread = 0;
    const Confinement* how = nullptr;
    std::atomic<int> result = pending;
};

ConfinedThreads::ConfinedThreads() = default;
ConfinedThreads::~ConfinedThreads() = default;

tl::expected<void, Error> ConfinedThreads::confine(const Confinement& how) {
    how_ = how;
    struct sigaction action {};
    struct sigaction before {};
    action.sa_sigaction = Record::on_signal;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    sigfillset(&action.sa_mask);
    // start_thread leaves this signal to every thread.
    if (::sigaction(SIGSYS, &action, &before) != 0)
        return cannot_confine(errno, "can't handle SIGSYS");

    const auto self = static_cast<pid_t>(::syscall(SYS_gettid));
    const auto known = [&](pid_t thread) {
        return thread == self ||
               std::any_of(records_.begin(), records_.end(),
                           [&](const auto& record) { return record->thread == thread; });
    };
    const auto end = std::chrono::steady_clock::now() + patience;
    // A thread that started meanwhile may come from one that was not changed yet.
    for (bool more = true; more;) {
        more = false;
        for (const auto thread : threads_of_process()) {
            if (known(thread)) continue;
            more = true;
            auto& record = *records_.emplace_back(std::make_unique<Record>());
            record.thread = thread;
            record.how = &how_;
            siginfo_t info{};
            info.si_code = SI_QUEUE;
            info.si_pid = ::getpid();
            info.si_uid = ::getuid();
            info.si_value.sival_ptr = &record;
            if (::syscall(SYS_rt_tgsigqueueinfo, ::getpid(), thread, SIGSYS, &info) != 0 &&
                errno != ESRCH)
                return cannot_confine(errno, "a thread can't be told to confine itself");
        }
        for (const auto& record : records_) {
            while (record->result.load(std::memory_order_acquire) == Record::pending &&
                   is_alive(record->thread)) {
                if (std::chrono::steady_clock::now() >= end)
                    return cannot_confine(ETIMEDOUT, "a thread did not confine itself in time");
                std::this_thread::sleep_for(std::chrono::milliseconds{1});
            }
            if (const int error = record->result.load(); error > 0)
                return cannot_confine(error, "a thread can't be confined");
        }
    }
    if (::sigaction(SIGSYS, &before, nullptr) != 0)
        return cannot_confine(errno, "can't handle SIGSYS");
    if (const int error = change_this_thread(how); error != 0)
        return cannot_confine(error, "the main thread can't be confined");
    return {};
}

tl::expected<LandlockRules, Error> make_landlock_rules() {
    // linux/landlock.h of the build may be older than the kernel, which takes a shorter structure.
    struct Attributes {
        std::uint64_t files = 0;
        std::uint64_t net = 0;
        std::uint64_t scoped = 0;
    };
    const auto version =
        ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (version < 1) return cannot_confine(errno, "this kernel has no Landlock");
    Attributes all;
    constexpr std::uint64_t first_rights = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;
    all.files = first_rights;
    if (version >= 2) all.files |= LANDLOCK_ACCESS_FS_REFER;
    if (version >= 3) all.files |= 1U << 14;  // truncate
    if (version >= 5) all.files |= 1U << 15;  // ioctl of devices
    if (version >= 4) all.net = 3;            // bind and connect, TCP
    if (version >= 6) all.scoped = 3;         // abstract sockets, signals
    const auto size = version >= 6   ? sizeof all
                      : version >= 4 ? 2 * sizeof(std::uint64_t)
                                     : sizeof(std::uint64_t);
    UniqueFd rules(static_cast<int>(::syscall(SYS_landlock_create_ruleset, &all, size, 0)));
    if (!rules) return cannot_confine(errno, "Landlock takes no rules");
    return LandlockRules{std::move(rules), static_cast<int>(version)};
}

tl::expected<RunAs, std::string> parse_run_as(const std::string& text) {
    const auto colon = text.find(':');
    const auto name = text.substr(0, colon);
    RunAs found;
    const auto* entry = ::getpwnam(name.c_str());
    const auto number = number_in<uid_t>(name);
    if (entry == nullptr && number) entry = ::getpwuid(*number);
    if (entry != nullptr) {
        found = {entry->pw_uid, entry->pw_gid};
    } else if (number) {
        if (colon == std::string::npos)
            return tl::unexpected(fmt::format(
                "user {} is in no user database: give its group, {}:GROUP", name, name));
        found.user = *number;
    } else {
        return tl::unexpected(fmt::format("there is no user '{}'", name));
    }
    if (colon == std::string::npos) return found;
    const auto group = text.substr(colon + 1);
    if (const auto* named = ::getgrnam(group.c_str())) {
        found.group = named->gr_gid;
    } else if (const auto id = number_in<gid_t>(group)) {
        found.group = *id;
    } else {
        return tl::unexpected(fmt::format("there is no group '{}'", group));
    }
    return found;
}

}  // namespace zonebridge::service
