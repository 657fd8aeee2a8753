#include "virtio/mapping.h"

#include <cerrno>
#include <cstring>
#include <limits>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

namespace zonebridge::virtio {
namespace {

tl::unexpected<std::string> refuse(std::string why) {
    return tl::unexpected(std::move(why));
}

std::size_t page_size_of(int fd) noexcept {
    struct statfs info {};
    if (::fstatfs(fd, &info) == 0 && info.f_type == HUGETLBFS_MAGIC && info.f_bsize > 0)
        return static_cast<std::size_t>(info.f_bsize);
    return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

Mapping::Mapping(Extent extent, SigbusRange guard, Origin origin, std::byte* data,
                 std::uint64_t size) noexcept
    : extent_(extent), guard_(std::move(guard)), origin_(origin), data_(data), size_(size) {}

Mapping::~Mapping() {
    // The guard goes first, or another thread's mapping of the same addresses would be confused
    // with this one.
    { const SigbusRange ended = std::move(guard_); }
    ::munmap(extent_.begin, extent_.length);
}

tl::expected<std::shared_ptr<const Mapping>, std::string> Mapping::map(int fd, std::uint64_t offset,
                                                                       std::uint64_t size) {
    constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<off_t>::max());
    if (size == 0) return refuse("a size of 0 can't be mapped");
    if (offset > most || size > most - offset)
        return refuse(fmt::format("offset {:#x} and size {:#x} overflow", offset, size));

    struct stat info {};
    if (::fstat(fd, &info) != 0)
        return refuse(fmt::format("cannot look at its descriptor: {}", std::strerror(errno)));
    if (!S_ISREG(info.st_mode) && !S_ISCHR(info.st_mode))
        return refuse("its descriptor is neither a file nor a device, so it can't be mapped");
    if (S_ISREG(info.st_mode) && offset + size > static_cast<std::uint64_t>(info.st_size))
        return refuse(
            fmt::format("offset {:#x} and size {:#x} reach past the end of a file of {:#x}"
                        " bytes",
                        offset, size, info.st_size));

    const std::uint64_t page = page_size_of(fd);
    const std::uint64_t lead = offset & (page - 1);
    if (lead + size > most - page)
        return refuse(fmt::format("offset {:#x} and size {:#x} overflow", offset, size));
    const std::uint64_t length = (lead + size + page - 1) & ~(page - 1);
    void* const begin = ::mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
                               fd, static_cast<off_t>(offset - lead));
    if (begin == MAP_FAILED)
        return refuse(fmt::format("cannot map {:#x} bytes at {:#x}: {}", length, offset - lead,
                                  std::strerror(errno)));
    // A guest's memory has no place in this program's core file.
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
                                          Origin{info.st_dev, info.st_ino, offset},
                                          static_cast<std::byte*>(begin) + lead, size);
}

bool Mapping::is(int fd, std::uint64_t offset, std::uint64_t size) const noexcept {
    struct stat info {};
    return origin_.offset == offset && size_ == size && ::fstat(fd, &info) == 0 &&
           origin_.device == info.st_dev && origin_.inode == info.st_ino;
}

}  // namespace zonebridge::virtio
