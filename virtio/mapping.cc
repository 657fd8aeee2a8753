#include "virtio/mapping.h"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <functional>
#include <limits>
#include <linux/magic.h>
#include <memory>
#include <optional>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

#include "base/unique_fd.h"
#include "virtio/within.h"

namespace zonebridge::virtio {
namespace {

tl::unexpected<std::string> refuse(std::string why) {
    return tl::unexpected(std::move(why));
}

/// The file behind a descriptor, as fstat reports it.
struct Home {
    std::size_t page_size;
    /// An anonymous inode. They all share one; since Linux 6.17 it is a regular file's.
    bool anonymous;
    decltype(std::declval<struct statfs>().f_type) type;
    int error = 0;
};

Home home_of(int fd) noexcept {
    const auto page_size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    struct statfs info {};
    if (::fstatfs(fd, &info) != 0) return {page_size, false, 0, errno};
    if (info.f_type == HUGETLBFS_MAGIC && info.f_bsize > 0)
        return {static_cast<std::size_t>(info.f_bsize), false, info.f_type};
    return {page_size, info.f_type == ANON_INODE_FS_MAGIC, info.f_type};
}

/// How long a file system may take to describe a file. A peer may have passed a file of a file system
/// that a program of the peer serves.
constexpr std::chrono::milliseconds patience{1'000};

struct Facts {
    int error = 0;
    struct stat status {};
    Home home{};
};

Facts examine(int fd) noexcept {
    Facts facts;
    if (::fstat(fd, &facts.status) != 0) facts.error = errno;
    facts.home = home_of(fd);
    // A file system that does not say what it is could be anything.
    if (facts.home.error != 0) facts.error = facts.home.error;
    return facts;
}

/// Nothing: the file system does not answer. Asks no file system for memory (memfd, shmem, hugetlbfs:
/// only these have seals) and files that the kernel made.
std::optional<Facts> examine_in_time(int fd, bool kernel_made) {
    if (kernel_made || ::fcntl(fd, F_GET_SEALS) >= 0) return examine(fd);
    // The call keeps a descriptor of its own, and closes that on its thread.
    auto own = std::make_shared<UniqueFd>(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
    std::function<Facts()> call = [own = std::move(own)] { return examine(own->get()); };
    try {
        return within<Facts>(patience, "zb-examine", std::move(call));
    } catch (const std::system_error& error) {
        Facts facts;
        facts.error = error.code().value();
        return facts;
    }
}

}  // namespace

Mapping::Mapping(Extent extent, SigbusRange guard, Origin origin, std::byte* data,
                 std::uint64_t size) noexcept
    : extent_(extent), guard_(std::move(guard)), origin_(origin), data_(data), size_(size) {}

Mapping::~Mapping() {
    // Remove the guard before unmapping: otherwise another thread's mapping at the same addresses
    // would be taken for this one.
    { const SigbusRange ended = std::move(guard_); }
    ::munmap(extent_.begin, extent_.length);
}

tl::expected<std::shared_ptr<const Mapping>, std::string> Mapping::map(int fd, std::uint64_t offset,
                                                                       std::uint64_t size,
                                                                       Options options) {
    constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<off_t>::max());
    if (size == 0) return refuse("a size of 0 can't be mapped");
    if (offset > most || size > most - offset)
        return refuse(fmt::format("offset {:#x} and size {:#x} overflow", offset, size));

    const auto facts = examine_in_time(fd, options.kernel_made);
    if (!facts) return refuse("the file system of its file descriptor does not answer");
    if (facts->error != 0)
        return refuse(
            fmt::format("cannot examine its file descriptor: {}", std::strerror(facts->error)));
    const auto& info = facts->status;
    const auto home = facts->home;
    if (home.type == FUSE_SUPER_MAGIC)
        return refuse(
            "its file is on a file system that a program serves (FUSE), and touching it may wait "
            "for that program for ever: use a memfd, hugetlbfs, or a file of another file system");
    const bool kernel_made = home.anonymous && options.kernel_made;
    if (home.anonymous != kernel_made ||
        (!S_ISREG(info.st_mode) && !S_ISCHR(info.st_mode) && !kernel_made))
        return refuse("its file descriptor is neither a file nor a device, so it can't be mapped");
    if (S_ISREG(info.st_mode) && !kernel_made &&
        offset + size > static_cast<std::uint64_t>(info.st_size))
        return refuse(
            fmt::format("offset {:#x} and size {:#x} reach past the end of a file of {:#x}"
                        " bytes",
                        offset, size, info.st_size));

    const std::uint64_t page = home.page_size;
    const std::uint64_t lead = offset & (page - 1);
    if (lead + size > most - page)
        return refuse(fmt::format("offset {:#x} and size {:#x} overflow", offset, size));
    const std::uint64_t length = (lead + size + page - 1) & ~(page - 1);
    const int access = options.writable ? PROT_READ | PROT_WRITE : PROT_READ;
    void* const begin = ::mmap(nullptr, length, access, MAP_SHARED | MAP_NORESERVE, fd,
                               static_cast<off_t>(offset - lead));
    if (begin == MAP_FAILED)
        return refuse(fmt::format("cannot map {:#x} bytes at {:#x}: {}", length, offset - lead,
                                  std::strerror(errno)));
    // Keep the guest's memory out of this program's core file.
    ::madvise(begin, length, MADV_DONTDUMP);

    auto guard = SigbusRange::guard(begin, length, page);
    if (!guard) {
        ::munmap(begin, length);
        return refuse(std::move(guard.error()));
    }
    struct Access : Mapping {
        Access(Extent extent, SigbusRange guard, Origin origin, std::byte* data, std::uint64_t size)
            : Mapping(extent, std::move(guard), origin, data, size) {}
    };
    return std::make_shared<const Access>(Extent{begin, length}, std::move(*guard),
                                          Origin{.device = info.st_dev,
                                                 .inode = info.st_ino,
                                                 .offset = offset,
                                                 .writable = options.writable,
                                                 .anonymous = home.anonymous},
                                          static_cast<std::byte*>(begin) + lead, size);
}

bool Mapping::is_kernel_made(int fd) noexcept {
    return home_of(fd).anonymous;
}

bool Mapping::is(int fd, std::uint64_t offset, std::uint64_t size) const noexcept {
    if (origin_.anonymous || origin_.offset != offset || size_ != size) return false;
    // Asks no file system, which may be a program of the peer.
    struct statx facts {};
    return ::statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO, &facts) == 0 &&
           origin_.device == ::makedev(facts.stx_dev_major, facts.stx_dev_minor) &&
           origin_.inode == facts.stx_ino;
}

}  // namespace zonebridge::virtio
