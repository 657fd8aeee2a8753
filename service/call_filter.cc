#include "service/call_filter.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <string_view>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include <seccomp.h>

namespace zonebridge::service {
namespace {

struct Release {
    void operator()(void* filter) const noexcept { ::seccomp_release(filter); }
};
using Filter = std::unique_ptr<void, Release>;

/// libseccomp with kernel support for the broker's calls on all threads at once.
constexpr unsigned api_with_listener = 6;

/// The log line of a forbidden call; the call itself was not carried out. With SA_RESETHAND the
/// process then dies of the same signal. Only functions that a signal handler may call.
void on_forbidden_call(int /*signal*/, siginfo_t* info, void* /*context*/) {
    std::array<char, 16> thread{};
    (void)::prctl(PR_GET_NAME, thread.data(), 0, 0, 0);
    std::array<char, 16> number{};
    const auto* const end =
        std::to_chars(number.data(), number.data() + number.size(), info->si_syscall).ptr;
    const auto piece = [](std::string_view part) {
        return iovec{const_cast<char*>(part.data()), part.size()};
    };
    const std::array pieces{
        piece("zonebridge: sandbox: the thread "),
        piece({thread.data(), ::strnlen(thread.data(), thread.size())}),
        piece(" made the system call number "),
        piece({number.data(), static_cast<std::size_t>(end - number.data())}),
        piece(", which this server never needs: the process ends here. Flushed data is safe\n")};
    (void)!::writev(STDERR_FILENO, pieces.data(), static_cast<int>(pieces.size()));
    (void)::syscall(SYS_tgkill, ::getpid(), ::syscall(SYS_gettid), SIGSYS);
}

tl::unexpected<Error> failed(int result, const char* what) {
    return tl::unexpected(os_failure(-result, std::string("seccomp: ") + what));
}

int add_row(void* filter, std::uint32_t action, const CallRow& row) {
    if (!row.condition) return ::seccomp_rule_add_array(filter, action, row.call, 0, nullptr);
    const auto& is = *row.condition;
    scmp_arg_cmp compare{is.argument, SCMP_CMP_MASKED_EQ, is.mask, is.value};
    return ::seccomp_rule_add_array(filter, action, row.call, 1, &compare);
}

/// The conditions that need values of this process.
int add_own(void* filter) {
    const auto own = static_cast<scmp_datum_t>(::getpid());
    scmp_arg_cmp same{0, SCMP_CMP_EQ, own, 0};
    if (const int result = ::seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SYS_tgkill, 1, &same);
        result != 0)
        return result;
    // The handler of forbidden calls stays.
    scmp_arg_cmp other{0, SCMP_CMP_NE, SIGSYS, 0};
    return ::seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SYS_rt_sigaction, 1, &other);
}

bool needs(const Parts& parts, const CallRow& row) noexcept {
    switch (row.part) {
        case Part::emulated:
        case Part::block:
        case Part::scsi:
        case Part::nvme:
            return parts.has(row.part) || parts.has(Part::later_disks);
        case Part::base:
        case Part::vhost_user:
        case Part::vduse:
        case Part::nvme_admin:
        case Part::later_disks:
        case Part::sanitizer:
            break;
    }
    return parts.has(row.part);
}

int add_rows(void* filter, const Parts& parts, bool ask_broker) {
    for (const auto& row : call_rows())
        if (needs(parts, row))
            if (const int result = add_row(filter, SCMP_ACT_ALLOW, row); result != 0) return result;
    if (const int result = add_own(filter); result != 0) return result;
    const auto by_path = ask_broker ? SCMP_ACT_NOTIFY : SCMP_ACT_ERRNO(EACCES);
    for (const auto& row : path_rows())
        if (const int result = add_row(filter, by_path, row); result != 0) return result;
    // Whether a disk takes commands by io_uring is tried with a ring of its own. The broker makes and
    // limits it; without the broker, such a disk is driven by ioctl.
    if (parts.has(Part::later_disks))
        if (const int result = ::seccomp_rule_add_array(
                filter, ask_broker ? SCMP_ACT_NOTIFY : SCMP_ACT_ERRNO(EPERM), SYS_io_uring_setup, 0,
                nullptr);
            result != 0)
            return result;
    // A report of AddressSanitizer then goes without the program that finds names.
    if (sanitized)
        if (const int result =
                ::seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), SYS_fork, 0, nullptr);
            result != 0)
            return result;
    // Its flags are behind a pointer; the C library then uses clone, whose flags a filter can see.
    return ::seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(ENOSYS), SYS_clone3, 0, nullptr);
}

std::size_t count_calls(const Parts& parts) {
    std::vector<int> calls{SYS_tgkill, SYS_rt_sigaction};
    for (const auto& row : call_rows())
        if (needs(parts, row)) calls.push_back(row.call);
    std::sort(calls.begin(), calls.end());
    return static_cast<std::size_t>(std::unique(calls.begin(), calls.end()) - calls.begin());
}

tl::expected<void, Error> catch_forbidden_calls() {
    struct sigaction action {};
    action.sa_sigaction = on_forbidden_call;
    action.sa_flags = SA_SIGINFO | static_cast<int>(SA_RESETHAND) | SA_NODEFER;
    sigfillset(&action.sa_mask);
    sigdelset(&action.sa_mask, SIGSYS);
    if (::sigaction(SIGSYS, &action, nullptr) != 0)
        return tl::unexpected(os_failure(errno, "can't handle SIGSYS"));
    return {};
}

}  // namespace

tl::expected<LoadedFilter, Error> load_call_filter(const Parts& parts, bool ask_broker) {
    const auto listens = ask_broker && ::seccomp_api_get() >= api_with_listener;
    const Filter filter(::seccomp_init(SCMP_ACT_TRAP));
    if (!filter) return tl::unexpected(os_failure(ENOMEM, "seccomp: no filter can be made"));
    const std::array attributes{
        std::pair{SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS},
        std::pair{SCMP_FLTATR_CTL_NNP, 1U}, std::pair{SCMP_FLTATR_CTL_TSYNC, 1U},
        std::pair{SCMP_FLTATR_CTL_OPTIMIZE, 2U},  // a tree instead of a list
    };
    for (const auto& [attribute, value] : attributes)
        if (const int result = ::seccomp_attr_set(filter.get(), attribute, value); result != 0)
            return failed(result, "this kernel lacks what the filter needs");
    if (const int result = add_rows(filter.get(), parts, listens); result != 0)
        return failed(result, "a rule can't be added");
    if (auto caught = catch_forbidden_calls(); !caught)
        return tl::unexpected(std::move(caught.error()));
    if (const int result = ::seccomp_load(filter.get()); result != 0) {
        (void)std::signal(SIGSYS, SIG_DFL);
        return failed(result, "the filter can't be loaded");
    }
    LoadedFilter loaded;
    loaded.calls = count_calls(parts);
    if (listens) loaded.listener.emplace(::seccomp_notify_fd(filter.get()));
    return loaded;
}

}  // namespace zonebridge::service
