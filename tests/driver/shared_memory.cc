#include "tests/driver/shared_memory.h"

#include <cerrno>
#include <cstring>
#include <new>
#include <stdexcept>
#include <sys/mman.h>
#include <unistd.h>

namespace zonebridge::driver {

SharedMemory::~SharedMemory() {
    for (const Region& region : regions_) {
        ::munmap(region.host, region.size);
        ::close(region.fd);
    }
}

tl::expected<std::size_t, std::string> SharedMemory::add(std::uint64_t guest_address,
                                                         std::uint64_t size,
                                                         std::uint64_t file_offset) {
    const int fd = ::memfd_create("zonebridge-guest", MFD_CLOEXEC);
    if (fd < 0) return tl::unexpected(std::string("memfd_create: ") + std::strerror(errno));
    void* host = MAP_FAILED;
    if (::ftruncate(fd, static_cast<off_t>(file_offset + size)) == 0)
        host = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                      static_cast<off_t>(file_offset));
    if (host == MAP_FAILED) {
        const int error = errno;
        ::close(fd);
        return tl::unexpected(std::string("guest memory: ") + std::strerror(error));
    }
    regions_.push_back({guest_address, size, static_cast<std::byte*>(host), file_offset, fd});
    used_.push_back(0);
    return regions_.size() - 1;
}

Block SharedMemory::allocate(std::size_t size, std::size_t alignment, std::size_t region) {
    const Region& from = regions_.at(region);
    const std::uint64_t start = (used_[region] + alignment - 1) / alignment * alignment;
    if (start > from.size || size > from.size - start) throw std::bad_alloc();
    used_[region] = start + size;
    const Block block{from.guest_address + start, from.host + start, size};
    std::memset(block.host, 0, size);
    return block;
}

void SharedMemory::reset() noexcept {
    for (auto& used : used_) used = 0;
}

std::byte* SharedMemory::at(std::uint64_t guest_address) const {
    for (const Region& region : regions_)
        if (guest_address - region.guest_address < region.size)
            return region.host + (guest_address - region.guest_address);
    throw std::out_of_range("no such guest address");
}

}  // namespace zonebridge::driver
