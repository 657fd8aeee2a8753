#include "transports/nvme/bounce.h"

#include <cerrno>
#include <cstring>
#include <sys/mman.h>
#include <utility>

namespace zonebridge::nvme {

tl::expected<Bounce, Error> Bounce::create(std::size_t size) {
    constexpr std::size_t page = 4096;
    const auto whole = (size + page - 1) / page * page;
    Bounce made;
    made.size_ = whole * places;
    auto* memory = ::mmap(nullptr, made.size_, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return tl::make_unexpected(os_failure(errno, "no memory to copy through"));
    made.memory_ = memory;
    for (std::size_t i = 0; i < places; ++i)
        made.free_[made.free_count_++] = static_cast<std::uint8_t*>(memory) + i * whole;
    return made;
}

Bounce::Bounce(Bounce&& other) noexcept
    : memory_(std::exchange(other.memory_, nullptr)),
      size_(other.size_),
      free_(other.free_),
      free_count_(std::exchange(other.free_count_, 0)) {}

Bounce& Bounce::operator=(Bounce&& other) noexcept {
    std::swap(memory_, other.memory_);
    std::swap(size_, other.size_);
    std::swap(free_, other.free_);
    std::swap(free_count_, other.free_count_);
    return *this;
}

Bounce::~Bounce() {
    if (memory_ != nullptr) ::munmap(memory_, size_);
}

std::uint8_t* Bounce::take() noexcept {
    return free_count_ == 0 ? nullptr : free_[--free_count_];
}

void Bounce::give_back(std::uint8_t* place) noexcept {
    free_[free_count_++] = place;
}

void gather(std::span<const iovec> from, std::uint8_t* place) noexcept {
    for (const auto& part : from) {
        if (part.iov_len == 0) continue;
        std::memcpy(place, part.iov_base, part.iov_len);
        place += part.iov_len;
    }
}

void scatter(const std::uint8_t* place, std::span<const iovec> to) noexcept {
    for (const auto& part : to) {
        if (part.iov_len == 0) continue;
        std::memcpy(part.iov_base, place, part.iov_len);
        place += part.iov_len;
    }
}

}  // namespace zonebridge::nvme
