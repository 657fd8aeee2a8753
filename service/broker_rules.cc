#include "service/broker_rules.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <linux/magic.h>
#include <string_view>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <system_error>
#include <unistd.h>

#include <fmt/format.h>

#include "service/call_table.h"
#include "transports/host/node.h"
#include "transports/ring.h"

namespace zonebridge::service {
namespace {

namespace fs = std::filesystem;

/// A file that is held, but not open: what it is can't change any more.
struct Held {
    UniqueFd fd;
    struct stat facts {};
    std::string path;  ///< Where it is now, without links.
};

/// The file behind `fd`, as a path that opens it again.
std::string itself(int fd) {
    return fmt::format("/proc/self/fd/{}", fd);
}

tl::expected<Held, int> hold(const std::string& path, int flags) {
    constexpr int kept = O_NOFOLLOW | O_DIRECTORY;
    Held held;
    held.fd = UniqueFd(::open(path.c_str(), O_PATH | O_CLOEXEC | (flags & kept)));
    if (!held.fd || ::fstat(held.fd.get(), &held.facts) != 0) return tl::unexpected(errno);
    std::error_code failed;
    held.path = fs::read_symlink(itself(held.fd.get()), failed).string();
    if (failed) return tl::unexpected(failed.value());
    return held;
}

bool only_reads(int flags) noexcept {
    return (flags & O_ACCMODE) == O_RDONLY;
}

bool lies_on(const Held& held, decltype(statfs::f_type) magic) noexcept {
    struct statfs info {};
    return ::fstatfs(held.fd.get(), &info) == 0 && info.f_type == magic;
}

/// Facts about devices: their folders and attributes.
bool tells_about_devices(const Held& held) noexcept {
    return lies_on(held, SYSFS_MAGIC);
}

bool is_number(std::string_view name) noexcept {
    return !name.empty() && name.find_first_not_of("0123456789") == std::string_view::npos;
}

/// The tables of mounts and swap space; and of every process its name and which files it has open,
/// not what these contain.
bool tells_about_users(const Held& held) {
    if (!lies_on(held, PROC_SUPER_MAGIC)) return false;
    const fs::path path(held.path);
    std::vector<std::string> parts;
    for (const auto& part : path.lexically_relative("/proc")) parts.push_back(part.string());
    const auto directory = S_ISDIR(held.facts.st_mode);
    if (parts.size() == 1) return parts[0] == "swaps" || (parts[0] == "." && directory);
    if (!is_number(parts[0])) return false;
    if (parts.size() == 2)
        return parts[1] == "comm" || parts[1] == "mountinfo" || (parts[1] == "fd" && directory);
    return parts.size() == 3 && parts[1] == "fdinfo" && is_number(parts[2]);
}

bool is_below(const std::string& path, const std::string& folder) {
    std::error_code failed;
    const auto root = fs::canonical(folder, failed).string();
    if (failed) return false;
    return root == "/" || path == root || path.starts_with(root + '/');
}

/// A file, a block device, or a node that takes a disk's commands. Never a file that the kernel makes
/// up: writing to one of those can change anything.
bool may_be_disk(const BrokerRules& rules, const Held& held) {
    const auto& first = rules.first_disks;
    if (rules.lun_root && !is_below(held.path, *rules.lun_root) &&
        std::find(first.begin(), first.end(), held.path) == first.end())
        return false;
    if (S_ISREG(held.facts.st_mode))
        return !lies_on(held, PROC_SUPER_MAGIC) && !lies_on(held, SYSFS_MAGIC) &&
               !held.path.starts_with("/proc/") && !held.path.starts_with("/sys/");
    if (S_ISBLK(held.facts.st_mode)) return true;
    if (!S_ISCHR(held.facts.st_mode)) return false;
    const auto node = host::look_at(itself(held.fd.get()));
    if (!node) return false;
    switch (node->kind) {
        case host::Node::Kind::sg:
        case host::Node::Kind::bsg:
        case host::Node::Kind::nvme_generic:
            return true;
        case host::Node::Kind::file:
        case host::Node::Kind::block:
        case host::Node::Kind::other:
            return false;
    }
    return false;
}

bool serves_vduse(const std::string& name, const std::string& path, int flags, const Held& held) {
    const auto device = "/sys/bus/vdpa/devices/" + name;
    // Its driver is changed by these; the kernel makes the links in their paths.
    for (const auto& attribute : {device + "/driver_override", device + "/driver/unbind",
                                  std::string("/sys/bus/vdpa/drivers_probe")})
        if (path == attribute) return lies_on(held, SYSFS_MAGIC);
    if (path == "/dev/vduse/" + name) return S_ISCHR(held.facts.st_mode);
    if (!only_reads(flags)) return false;
    // File systems on the disk are written out before it goes, and then the disk.
    if (S_ISDIR(held.facts.st_mode)) return true;
    if (!S_ISBLK(held.facts.st_mode)) return false;
    std::error_code failed;
    const auto folder = fs::canonical(device, failed).string();
    const auto node = host::look_at(itself(held.fd.get()));
    return !failed && node && node->sysfs.string().starts_with(folder + '/');
}

bool may_open(const BrokerRules& rules, const std::string& path, int flags, const Held& held) {
    if (only_reads(flags)) {
        // The leak checker's: every thread, and what is mapped.
        if (sanitized && held.path.starts_with("/proc/") &&
            (held.path.ends_with("/maps") || held.path.find("/task") != std::string::npos))
            return true;
        if ((rules.disks || rules.vduse) && (tells_about_devices(held) || tells_about_users(held)))
            return true;
        if (rules.disks && held.path == "/dev/zero") return true;  // an emulated disk's empty zones
        // Whether an emulated disk was in use since the host runs.
        if (rules.disks && held.path == "/proc/sys/kernel/random/boot_id") return true;
    }
    if (rules.vduse && serves_vduse(*rules.vduse, path, flags, held)) return true;
    return rules.disks && may_be_disk(rules, held);
}

}  // namespace

std::string path_of(const std::string& path, pid_t asks) {
    constexpr std::string_view self = "/proc/self/";
    if (!path.starts_with(self)) return path;
    return fmt::format("/proc/{}/{}", asks, path.substr(self.size()));
}

tl::expected<UniqueFd, int> open_by_rules(const BrokerRules& rules, const std::string& path,
                                          int flags, pid_t asks) {
    constexpr int allowed = O_ACCMODE | O_EXCL | O_NONBLOCK | O_CLOEXEC | O_DIRECTORY | O_NOFOLLOW |
                            O_DIRECT | O_DSYNC | O_SYNC | O_LARGEFILE | O_NOCTTY | O_NOATIME;
    if ((flags & ~allowed) != 0) return tl::unexpected(EACCES);
    const auto held = hold(path_of(path, asks), flags);
    if (!held) return tl::unexpected(held.error());
    if (!may_open(rules, path, flags, *held)) return tl::unexpected(EACCES);
    UniqueFd fd(::open(itself(held->fd.get()).c_str(), (flags & ~O_NOFOLLOW) | O_CLOEXEC));
    if (!fd) return tl::unexpected(errno);
    return fd;
}

std::vector<std::string> nodes_of_disk(const std::string& path) {
    std::vector<std::string> nodes;
    const auto add = [&](const std::string& name) {
        std::error_code failed;
        const auto real = fs::canonical(name, failed);
        if (!failed) nodes.push_back(real.string());
    };
    const auto node = host::look_at(path);
    if (!node) return nodes;
    add(path);
    for (const auto& name : {node->block, node->sg, node->bsg, node->nvme_generic})
        if (name) add(*name);
    return nodes;
}

tl::expected<UniqueFd, int> ring_by_rules(const BrokerRules& rules, unsigned entries,
                                          io_uring_params& parameters) {
    constexpr unsigned most_entries = 4096;
    if (!rules.disks || (parameters.flags & ~Ring::setup_flags) != 0 ||
        (parameters.flags & IORING_SETUP_R_DISABLED) == 0 || entries > most_entries ||
        parameters.cq_entries > 4 * most_entries)
        return tl::unexpected(EPERM);
    UniqueFd ring(static_cast<int>(::syscall(SYS_io_uring_setup, entries, &parameters)));
    if (!ring) return tl::unexpected(errno);
    if (const int result = Ring::limit(ring.get()); result < 0) return tl::unexpected(-result);
    return ring;
}

bool may_examine(const BrokerRules& rules, const std::string& path) noexcept {
    return rules.disks || rules.vduse || may_remove(rules, path) ||
           (sanitized && path.starts_with("/proc/"));
}

bool may_remove(const BrokerRules& rules, const std::string& path) noexcept {
    return std::find(rules.own_files.begin(), rules.own_files.end(), path) != rules.own_files.end();
}

}  // namespace zonebridge::service
