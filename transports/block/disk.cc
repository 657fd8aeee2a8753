#include "transports/block/disk.h"

#include <algorithm>
#include <cerrno>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "transports/host/file_lock.h"

namespace zonebridge::block {

KernelDisk::~KernelDisk() {
    if (!access_.block_device) host::unlock(access_.fd);
    ::close(access_.fd);
}

bool KernelDisk::takes(std::span<const iovec> data) const noexcept {
    if (!is_direct()) return true;
    const auto address_mask = std::uintptr_t{access_.memory_alignment} - 1;
    const auto length_mask = std::size_t{access_.length_alignment} - 1;
    return std::all_of(data.begin(), data.end(), [&](const iovec& buffer) {
        return (reinterpret_cast<std::uintptr_t>(buffer.iov_base) & address_mask) == 0 &&
               (buffer.iov_len & length_mask) == 0;
    });
}

bool KernelDisk::is_sequential_write(const Request& request) const noexcept {
    if (request.operation != Operation::write || limits_.model == Model::none) return false;
    const auto zone = layout().zone_of(request.offset);
    return layout().is_required(zone);
}

Status KernelDisk::status_of(int error) const noexcept {
    auto code = code_of(error);
    if (access_.block_device && code != StatusCode::device_gone) {
        const auto size = size_of_device(access_.fd);
        if (!size || *size == 0) code = StatusCode::device_gone;
    }
    return {code, NativeCause::os_error(error)};
}

StatusCode code_of(int error) noexcept {
    switch (error) {
        case ETOOMANYREFS:  // BLK_STS_ZONE_OPEN_RESOURCE
            return StatusCode::too_many_open;
        case EOVERFLOW:  // BLK_STS_ZONE_ACTIVE_RESOURCE
            return StatusCode::too_many_active;
        case ENODATA:  // BLK_STS_MEDIUM
        case EILSEQ:   // BLK_STS_PROTECTION: the data read is not the data written
            return StatusCode::media_error;
        case EOPNOTSUPP:  // BLK_STS_NOTSUPP
        case ENOTTY:      // an ioctl that this device lacks
            return StatusCode::unsupported;
        case EINVAL:  // BLK_STS_INVAL
            return StatusCode::invalid_request;
        case ENOMEDIUM:
            return StatusCode::device_gone;
        case EPERM:  // a device made read-only after it was opened
            return StatusCode::read_only;
        default:
            // status_of_errno() handles ENOSPC (BLK_STS_NOSPC), ENODEV (BLK_STS_OFFLINE), ENXIO and
            // EROFS. The rest is io_error: EIO, ETIMEDOUT (BLK_STS_TIMEOUT), ETIME
            // (BLK_STS_DURATION_LIMIT), ENOLINK (BLK_STS_TRANSPORT), EREMOTEIO (BLK_STS_TARGET),
            // EBADE (BLK_STS_RESV_CONFLICT), ENOMEM (BLK_STS_RESOURCE), EBUSY
            // (BLK_STS_DEV_RESOURCE), EAGAIN (BLK_STS_AGAIN), EREMCHG (BLK_STS_DM_REQUEUE).
            return status_of_errno(error);
    }
}

std::uint64_t KernelDisk::look_at_size() noexcept {
    auto size = limits_.size();
    if (layout().zone_count() != 0) return size;
    if (is_block_device()) {
        // A device that is gone has no size: requests then fail as device_gone.
        const auto now = size_of_device(fd());
        if (now && *now != 0) size = *now;
    } else if (struct stat facts{}; ::fstat(fd(), &facts) == 0) {
        size = static_cast<std::uint64_t>(facts.st_size);
    }
    size -= size % limits_.logical_block_size;
    if (size == 0) return limits_.size();  // no protocol has an empty disk; I/O fails by itself
    if (size != limits_.size()) limits_.layout.resize(size);
    return size;
}

tl::expected<std::uint64_t, int> size_of_device(int fd) noexcept {
    std::uint64_t size = 0;
    if (::ioctl(fd, BLKGETSIZE64, &size) != 0) return tl::make_unexpected(errno);
    return size;
}

}  // namespace zonebridge::block
