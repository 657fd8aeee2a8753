#include "transports/bounce.h"

#include <cerrno>
#include <sys/mman.h>
#include <utility>

namespace zonebridge {

tl::expected<BouncePool, Error> BouncePool::make(std::size_t count, std::size_t size) {
    constexpr std::size_t page = 4096;
    size = (size + page - 1) / page * page;
    BouncePool pool;
    auto* memory = ::mmap(nullptr, count * size, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return tl::make_unexpected(os_failure(errno, "no memory to copy requests through"));
    pool.memory_ = {static_cast<std::uint8_t*>(memory), count * size};
    pool.free_.reserve(count);
    for (std::size_t i = 0; i < count; ++i) pool.free_.push_back(&pool.memory_[i * size]);
    return pool;
}

BouncePool::~BouncePool() {
    if (!memory_.empty()) ::munmap(memory_.data(), memory_.size());
}

std::optional<std::span<std::uint8_t>> BouncePool::take(std::size_t length) noexcept {
    if (free_.empty()) return std::nullopt;
    auto* place = free_.back();
    free_.pop_back();
    return std::span(place, length);
}

void BouncePool::give_back(std::span<std::uint8_t> place) noexcept {
    free_.push_back(place.data());
}

void BouncePool::swap(BouncePool& other) noexcept {
    std::swap(memory_, other.memory_);
    free_.swap(other.free_);
}

}  // namespace zonebridge
