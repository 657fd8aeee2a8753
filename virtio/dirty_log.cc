#include "virtio/dirty_log.h"

#include <atomic>
#include <limits>
#include <utility>

namespace zonebridge::virtio {

DirtyLog::DirtyLog(std::shared_ptr<const Mapping> mapping) noexcept
    : mapping_(std::move(mapping)) {}

tl::expected<std::shared_ptr<const DirtyLog>, std::string> DirtyLog::map(int fd,
                                                                         std::uint64_t offset,
                                                                         std::uint64_t size) {
    auto mapping = Mapping::map(fd, offset, size);
    if (!mapping) return tl::unexpected("dirty log: " + mapping.error());
    return std::make_shared<const DirtyLog>(std::move(*mapping));
}

bool DirtyLog::covers(std::uint64_t end) const noexcept {
    return end == 0 || (end - 1) / page_size / 8 < mapping_->size();
}

void DirtyLog::mark(std::uint64_t address, std::uint64_t length) const noexcept {
    if (length == 0 || length > std::numeric_limits<std::uint64_t>::max() - address) return;
    const std::uint64_t last = (address + length - 1) / page_size;
    for (std::uint64_t page = address / page_size; page <= last; ++page) {
        if (page / 8 >= mapping_->size()) return;
        auto& byte = *reinterpret_cast<unsigned char*>(mapping_->data() + page / 8);
        // Release: a front end that finds the bit sees the data written to the page.
        std::atomic_ref(byte).fetch_or(static_cast<unsigned char>(1u << page % 8),
                                       std::memory_order_release);
    }
}

void DirtyLog::mark(std::span<const iovec> buffers, const GuestMemory& memory) const noexcept {
    for (const iovec& buffer : buffers)
        if (const auto address = memory.guest_address(buffer.iov_base))
            mark(*address, buffer.iov_len);
}

}  // namespace zonebridge::virtio
