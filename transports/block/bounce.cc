#include "transports/block/bounce.h"

#include <cerrno>
#include <sys/mman.h>
#include <utility>

namespace zonebridge::block {

tl::expected<BouncePool, Error> BouncePool::make(std::size_t count, std::size_t size) {
    BouncePool pool;
    auto* memory = ::mmap(nullptr, count * size, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return tl::make_unexpected(os_failure(errno, "can't get memory for unaligned buffers"));
    pool.memory_ = {static_cast<std::byte*>(memory), count * size};
    pool.free_.reserve(count);
    for (std::size_t i = 0; i < count; ++i) pool.free_.push_back(&pool.memory_[i * size]);
    return pool;
}

BouncePool::~BouncePool() {
    if (!memory_.empty()) ::munmap(memory_.data(), memory_.size());
}

std::optional<std::span<std::byte>> BouncePool::take(std::size_t length) noexcept {
    if (free_.empty()) return std::nullopt;
    auto* buffer = free_.back();
    free_.pop_back();
    return std::span(buffer, length);
}

void BouncePool::give_back(std::span<std::byte> buffer) noexcept {
    free_.push_back(buffer.data());
}

void BouncePool::swap(BouncePool& other) noexcept {
    std::swap(memory_, other.memory_);
    free_.swap(other.free_);
}

}  // namespace zonebridge::block
