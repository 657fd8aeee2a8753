#include "service/broker.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/io_uring.h>
#include <linux/seccomp.h>
#include <optional>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include <climits>

#include "service/call_table.h"
#include "service/helper_process.h"

namespace zonebridge::service {
namespace {

using Call = seccomp_notif;

/// The result of a call: what it returns, or an errno.
using CallResult = tl::expected<std::int64_t, int>;

// ---- The server's memory. It may change at any time: read once.

std::optional<std::string> text_of(pid_t process, std::uint64_t address) {
    std::string text;
    std::array<char, 512> piece{};
    while (text.size() < PATH_MAX) {
        // Not across the end of a page: the next page may not be there.
        const auto room = std::min<std::uint64_t>(piece.size(), 4096 - address % 4096);
        const iovec here{piece.data(), room};
        const iovec there{reinterpret_cast<void*>(address), room};
        const auto got = ::process_vm_readv(process, &here, 1, &there, 1, 0);
        if (got <= 0) return std::nullopt;
        const auto size = static_cast<std::size_t>(got);
        const auto length = ::strnlen(piece.data(), size);
        text.append(piece.data(), length);
        if (length < size) return text;
        address += size;
    }
    return std::nullopt;
}

bool take(pid_t process, std::uint64_t address, void* bytes, std::size_t size) {
    const iovec here{bytes, size};
    const iovec there{reinterpret_cast<void*>(address), size};
    return ::process_vm_readv(process, &here, 1, &there, 1, 0) == static_cast<ssize_t>(size);
}

bool give(pid_t process, std::uint64_t address, const void* bytes, std::size_t size) {
    const iovec here{const_cast<void*>(bytes), size};
    const iovec there{reinterpret_cast<void*>(address), size};
    return ::process_vm_writev(process, &here, 1, &there, 1, 0) == static_cast<ssize_t>(size);
}

// ---- The calls.

class Answers {
  public:
    Answers(int listener, const BrokerRules& rules) : listener_(listener), rules_(rules) {}

    /// Takes one call and answers it. False: the server has ended.
    [[nodiscard]] bool answer_one() {
        Call call{};
        if (::ioctl(listener_, SECCOMP_IOCTL_NOTIF_RECV, &call) != 0)
            return errno == EINTR || errno == ENOENT;  // ENOENT: a signal ended the call
        answer(call);
        return true;
    }

  private:
    void answer(const Call& call) {
        const auto& of = call.data.args;
        switch (call.data.nr) {
            case SYS_open:
                return open(call, AT_FDCWD, of[0], of[1]);
            case SYS_openat:
                return open(call, of[0], of[1], of[2]);
            case SYS_stat:
                return respond(call, examine(call, AT_FDCWD, of[0], of[1], 0));
            case SYS_lstat:
                return respond(call, examine(call, AT_FDCWD, of[0], of[1], AT_SYMLINK_NOFOLLOW));
            case SYS_newfstatat:
                return respond(call, examine(call, of[0], of[1], of[2], of[3]));
            case SYS_statx:
                return respond(call, examine_more(call));
            case SYS_readlink:
                return respond(call, read_link(call, AT_FDCWD, of[0], of[1], of[2]));
            case SYS_readlinkat:
                return respond(call, read_link(call, of[0], of[1], of[2], of[3]));
            case SYS_io_uring_setup:
                return make_ring(call);
            case SYS_unlink:
                return respond(call, remove(call, AT_FDCWD, of[0], 0));
            case SYS_unlinkat:
                return respond(call, remove(call, of[0], of[1], of[2]));
            default:
                return respond(call, tl::unexpected(EACCES));
        }
    }

    /// The call's path. Relative ones only from the working directory, which this process shares.
    [[nodiscard]] tl::expected<std::string, int> path_at(const Call& call, std::uint64_t folder,
                                                         std::uint64_t address) const {
        auto path = text_of(static_cast<pid_t>(call.pid), address);
        // The call may be over, and its thread's number another's.
        if (!path || !is_valid(call)) return tl::unexpected(EFAULT);
        if (path->empty()) return tl::unexpected(ENOENT);
        if (path->front() != '/' && static_cast<int>(folder) != AT_FDCWD)
            return tl::unexpected(EACCES);
        return std::move(*path);
    }

    [[nodiscard]] bool is_valid(const Call& call) const {
        return ::ioctl(listener_, SECCOMP_IOCTL_NOTIF_ID_VALID, &call.id) == 0;
    }

    void open(const Call& call, std::uint64_t folder, std::uint64_t address,
              std::uint64_t flags) const {
        const auto path = path_at(call, folder, address);
        if (!path) return respond(call, tl::unexpected(path.error()));
        const auto wanted = static_cast<int>(flags);
        const auto file = open_by_rules(rules_, *path, wanted, static_cast<pid_t>(call.pid));
        if (!file) return respond(call, tl::unexpected(file.error()));
        hand_over(call, *file, wanted & O_CLOEXEC);
    }

    void make_ring(const Call& call) const {
        const auto process = static_cast<pid_t>(call.pid);
        const auto [entries, address] = std::pair{call.data.args[0], call.data.args[1]};
        io_uring_params parameters{};
        if (!take(process, address, &parameters, sizeof parameters) || !is_valid(call))
            return respond(call, tl::unexpected(EFAULT));
        const auto ring = ring_by_rules(rules_, static_cast<unsigned>(entries), parameters);
        if (!ring) return respond(call, tl::unexpected(ring.error()));
        if (!give(process, address, &parameters, sizeof parameters))
            return respond(call, tl::unexpected(EFAULT));
        hand_over(call, *ring, O_CLOEXEC);
    }

    /// Puts the file into the server; its number there is the call's result.
    void hand_over(const Call& call, const UniqueFd& file, int flags) const {
        seccomp_notif_addfd add{};
        add.id = call.id;
        add.flags = SECCOMP_ADDFD_FLAG_SEND;  // gives the call its result, too
        add.srcfd = static_cast<std::uint32_t>(file.get());
        add.newfd_flags = static_cast<std::uint32_t>(flags);
        if (::ioctl(listener_, SECCOMP_IOCTL_NOTIF_ADDFD, &add) < 0)
            respond(call, tl::unexpected(errno));
    }

    [[nodiscard]] tl::expected<std::string, int> examined(const Call& call, std::uint64_t folder,
                                                          std::uint64_t address) const {
        auto path = path_at(call, folder, address);
        if (!path) return path;
        if (!may_examine(rules_, *path)) return tl::unexpected(EACCES);
        return path_of(*path, static_cast<pid_t>(call.pid));
    }

    [[nodiscard]] CallResult examine(const Call& call, std::uint64_t folder, std::uint64_t address,
                                     std::uint64_t to, std::uint64_t flags) const {
        const auto path = examined(call, folder, address);
        if (!path) return tl::unexpected(path.error());
        struct stat facts {};
        if (::fstatat(AT_FDCWD, path->c_str(), &facts, static_cast<int>(flags)) != 0)
            return tl::unexpected(errno);
        if (!give(static_cast<pid_t>(call.pid), to, &facts, sizeof facts))
            return tl::unexpected(EFAULT);
        return 0;
    }

    [[nodiscard]] CallResult examine_more(const Call& call) const {
        const auto& of = call.data.args;
        const auto path = examined(call, of[0], of[1]);
        if (!path) return tl::unexpected(path.error());
        struct statx facts {};
        if (::statx(AT_FDCWD, path->c_str(), static_cast<int>(of[2]), static_cast<unsigned>(of[3]),
                    &facts) != 0)
            return tl::unexpected(errno);
        if (!give(static_cast<pid_t>(call.pid), of[4], &facts, sizeof facts))
            return tl::unexpected(EFAULT);
        return 0;
    }

    [[nodiscard]] CallResult read_link(const Call& call, std::uint64_t folder,
                                       std::uint64_t address, std::uint64_t to,
                                       std::uint64_t room) const {
        const auto path = examined(call, folder, address);
        if (!path) return tl::unexpected(path.error());
        std::array<char, PATH_MAX> target{};
        const auto length =
            ::readlink(path->c_str(), target.data(), std::min<std::uint64_t>(target.size(), room));
        if (length < 0) return tl::unexpected(errno);
        if (!give(static_cast<pid_t>(call.pid), to, target.data(),
                  static_cast<std::size_t>(length)))
            return tl::unexpected(EFAULT);
        return length;
    }

    [[nodiscard]] CallResult remove(const Call& call, std::uint64_t folder, std::uint64_t address,
                                    std::uint64_t flags) const {
        const auto path = path_at(call, folder, address);
        if (!path) return tl::unexpected(path.error());
        if (flags != 0 || !may_remove(rules_, *path)) return tl::unexpected(EACCES);
        if (::unlink(path->c_str()) != 0) return tl::unexpected(errno);
        return 0;
    }

    void respond(const Call& call, const CallResult& result) const {
        seccomp_notif_resp answer{};
        answer.id = call.id;
        if (result)
            answer.val = *result;
        else
            answer.error = -result.error();
        (void)::ioctl(listener_, SECCOMP_IOCTL_NOTIF_SEND, &answer);  // the call may be over
    }

    int listener_;
    const BrokerRules& rules_;
};

// ---- The process.

/// A message of one byte, with room for one descriptor.
struct DescriptorMessage {
    DescriptorMessage() noexcept {
        header.msg_iov = &part;
        header.msg_iovlen = 1;
        header.msg_control = control.data();
        header.msg_controllen = control.size();
    }
    DescriptorMessage(const DescriptorMessage&) = delete;
    DescriptorMessage& operator=(const DescriptorMessage&) = delete;

    char byte = 0;
    iovec part{&byte, 1};
    alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(int))> control{};
    msghdr header{};
};

/// The descriptor that the server sends; empty if the server ends without one.
UniqueFd receive(int channel) {
    DescriptorMessage message;
    while (::recvmsg(channel, &message.header, MSG_CMSG_CLOEXEC) < 0)
        if (errno != EINTR) return {};
    const auto* const header = CMSG_FIRSTHDR(&message.header);
    if (header == nullptr || header->cmsg_type != SCM_RIGHTS) return {};
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
    return UniqueFd(fd);
}

void run(int channel, const BrokerRules& rules) {
    const auto listener = receive(channel);
    const char taken = 1;
    if (!listener || ::send(channel, &taken, 1, MSG_NOSIGNAL) != 1) return;
    Answers answers(listener.get(), rules);
    std::array waits{pollfd{listener.get(), POLLIN, 0}, pollfd{channel, 0, 0}};
    for (;;) {
        if (::poll(waits.data(), waits.size(), -1) < 0 && errno != EINTR) return;
        if ((waits[0].revents & POLLIN) != 0) {
            if (!answers.answer_one()) return;
        } else if (waits[0].revents != 0 || waits[1].revents != 0) {
            return;  // the server has ended
        }
    }
}

}  // namespace

tl::expected<Broker, Error> Broker::start(const BrokerRules& rules) {
    // What it takes to open other users' disks, to see which processes use them, and to read the
    // server's paths.
    constexpr auto capabilities = [] {
        std::uint64_t bits = 0;
        for (const unsigned one :
             {CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_SYS_PTRACE})
            bits |= std::uint64_t{1} << one;
        return bits;
    }();
    auto helper =
        start_helper_process("zb-broker", capabilities, [&](int channel) { run(channel, rules); });
    if (!helper) return tl::unexpected(std::move(helper.error()));
    // Yama lets only ancestors read a process's memory, unless that process names another.
    (void)::prctl(PR_SET_PTRACER, helper->process, 0, 0, 0);
    return Broker(std::move(helper->channel));
}

tl::expected<void, Error> Broker::answer(UniqueFd listener) {
    DescriptorMessage message;
    auto* const header = CMSG_FIRSTHDR(&message.header);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    const int fd = listener.get();
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
    if (::sendmsg(channel_.get(), &message.header, MSG_NOSIGNAL) != 1 ||
        ::recv(channel_.get(), &message.byte, 1, 0) != 1)
        return tl::unexpected(os_failure(errno, "the broker has ended"));
    // A first question: whatever the rules say, the broker has to read its path.
    if (::readlink("/", &message.byte, 1) < 0 && errno == EFAULT)
        return tl::unexpected(os_failure(EPERM, "it may not read this process's memory"));
    // The leak checker still opens files when main() has returned: the broker stays until then.
    if (sanitized) (void)::fcntl(channel_.get(), F_DUPFD_CLOEXEC, 0);
    return {};
}

}  // namespace zonebridge::service
