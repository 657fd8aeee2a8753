#include "service/helper_process.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <utility>

#include <climits>

namespace zonebridge::service {
namespace {

void keep_only(int channel) noexcept {
    const auto null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    (void)::dup2(null, STDIN_FILENO);
    (void)::dup2(null, STDOUT_FILENO);
    const auto kept = static_cast<unsigned>(channel);
    constexpr unsigned first = STDERR_FILENO + 1;
    if (kept > first) (void)::close_range(first, kept - 1, 0);
    (void)::close_range(std::max(kept + 1, first), UINT_MAX, 0);
}

}  // namespace

int reduce_capabilities(std::uint64_t kept) noexcept {
    (void)::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
    if (::syscall(SYS_capget, &header, sets.data()) != 0) return errno;
    for (std::size_t i = 0; i < sets.size(); ++i) {
        sets[i].permitted &= static_cast<std::uint32_t>(kept >> (32 * i));
        sets[i].effective = sets[i].permitted;
        sets[i].inheritable = 0;
    }
    return ::syscall(SYS_capset, &header, sets.data()) == 0 ? 0 : errno;
}

tl::expected<HelperProcess, Error> start_helper_process(
    const char* name, std::uint64_t capabilities, const std::function<void(int channel)>& run) {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0)
        return tl::unexpected(os_failure(errno, "can't make a socket for another process"));
    UniqueFd own(ends[0]);
    const UniqueFd its(ends[1]);
    const auto process = ::fork();
    if (process < 0) return tl::unexpected(os_failure(errno, "can't start another process"));
    if (process == 0) {
        (void)::prctl(PR_SET_NAME, name, 0, 0, 0);
        (void)::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        keep_only(its.get());
        if (reduce_capabilities(capabilities) == 0) run(its.get());
        ::_exit(EXIT_SUCCESS);
    }
    return HelperProcess{std::move(own), process};
}

}  // namespace zonebridge::service
