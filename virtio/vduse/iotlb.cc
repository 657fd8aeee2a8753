#include "virtio/vduse/iotlb.h"

#include <cerrno>
#include <cstring>
#include <limits>
#include <linux/vduse.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <utility>

#include <fmt/format.h>

#include "virtio/mapping.h"

namespace zonebridge::virtio::vduse {
namespace {

constexpr auto last_address = std::numeric_limits<std::uint64_t>::max();

/// `next` continues the file range of `before`.
bool goes_on(const Extent& before, const Extent& next) noexcept {
    const auto length = next.start - before.start;
    return !before.kernel_made && !next.kernel_made && before.device == next.device &&
           before.inode == next.inode && before.writable == next.writable &&
           before.last != last_address && next.start == before.last + 1 &&
           length <= last_address - before.offset && next.offset == before.offset + length;
}

}  // namespace

void append(std::vector<Piece>& pieces, Piece next) {
    if (!pieces.empty() && goes_on(pieces.back().extent, next.extent))
        pieces.back().extent.last = next.extent.last;
    else
        pieces.push_back(std::move(next));
}

tl::expected<GuestMemory::Table, std::string> build_memory(std::span<const Piece> pieces,
                                                           const GuestMemory& previous) {
    std::vector<MemoryRegionSource> sources;
    for (const Piece& piece : pieces) {
        const auto& extent = piece.extent;
        sources.push_back(
            {.region = {.guest_address = extent.start,
                        .size = extent.last - extent.start + 1,
                        .user_address = extent.start,
                        .mmap_offset = extent.offset},
             .fd = piece.fd.get(),
             .options = {.writable = extent.writable, .kernel_made = extent.kernel_made}});
    }
    return GuestMemory::build(sources, previous);
}

namespace {

/// All current pieces, from VDUSE_IOTLB_GET_FD. Fails if there are more than a table holds.
tl::expected<std::vector<Piece>, std::string> read_iotlb(int device) {
    std::vector<Piece> pieces;
    for (std::uint64_t from = 0;;) {
        vduse_iotlb_entry entry{};
        entry.start = from;
        entry.last = last_address;
        UniqueFd fd(::ioctl(device, VDUSE_IOTLB_GET_FD, &entry));
        if (!fd && errno == EINVAL) break;  // no further pieces
        if (!fd)
            return tl::unexpected(fmt::format("can't get the driver's memory from {:#x} on: {}",
                                              from, std::strerror(errno)));
        struct stat info {};
        if (::fstat(fd.get(), &info) != 0)
            return tl::unexpected(fmt::format("can't examine the driver's memory at {:#x}: {}",
                                              entry.start, std::strerror(errno)));
        if (entry.last < entry.start || entry.last < from)
            return tl::unexpected(fmt::format(
                "the kernel reports a wrong range of the driver's memory, from {:#x} to {:#x}",
                entry.start, entry.last));
        append(pieces, {{.start = entry.start,
                         .last = entry.last,
                         .offset = entry.offset,
                         .writable = (entry.perm & VDUSE_ACCESS_WO) != 0,
                         .kernel_made = Mapping::is_kernel_made(fd.get()),
                         .device = info.st_dev,
                         .inode = info.st_ino},
                        std::move(fd)});
        if (pieces.size() > GuestMemory::max_regions)
            return tl::unexpected(fmt::format(
                "the driver's memory is in more than {} pieces; give the guest memory of fewer, "
                "larger ones",
                GuestMemory::max_regions));
        if (entry.last == last_address) break;
        from = entry.last + 1;
    }
    return pieces;
}

std::vector<Extent> extents_of(std::span<const Piece> pieces) {
    std::vector<Extent> extents;
    for (const Piece& piece : pieces) extents.push_back(piece.extent);
    return extents;
}

}  // namespace

tl::expected<DriverMemory, std::string> DriverMemory::read_again(int device) const {
    const auto pieces = read_iotlb(device);
    if (!pieces) return tl::unexpected(pieces.error());
    auto table = build_memory(*pieces, *table_);
    if (!table) return tl::unexpected(std::move(table.error()));
    return DriverMemory(extents_of(*pieces), std::move(*table));
}

tl::expected<bool, std::string> DriverMemory::is_outdated(int device) const {
    const auto pieces = read_iotlb(device);
    if (!pieces) return tl::unexpected(pieces.error());
    return extents_of(*pieces) != extents_;
}

}  // namespace zonebridge::virtio::vduse
