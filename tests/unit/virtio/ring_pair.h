// A ring whose two sides are in one process and one thread: the driver's (tests/driver) and the
// device's (virtio/), over real shared memory.
#pragma once

#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/driver/ring.h"
#include "tests/driver/shared_memory.h"
#include "virtio/memory.h"
#include "virtio/virtqueue.h"

namespace zonebridge::virtio {

inline std::vector<MemoryRegionSource> sources_of(const driver::SharedMemory& memory) {
    std::vector<MemoryRegionSource> sources;
    for (const auto& region : memory.regions())
        sources.push_back({{region.guest_address, region.size, memory.user_address(region.host),
                            region.mmap_offset},
                           region.fd});
    return sources;
}

inline GuestMemory::Table table_of(const driver::SharedMemory& memory) {
    auto table = GuestMemory::build(sources_of(memory), *GuestMemory::none());
    if (!table) throw std::runtime_error(table.error());
    return *table;
}

/// Two adjacent regions of guest memory.
inline constexpr std::uint64_t first_address = 0x100000;
inline constexpr std::uint64_t region_size = 0x400000;

/// The little-endian 32-bit number at that offset.
inline std::uint32_t number(const driver::Block& in, std::size_t at) {
    std::uint32_t value = 0;
    std::memcpy(&value, in.host + at, sizeof value);
    return value;
}

class RingPair {
  public:
    explicit RingPair(driver::RingOptions options = {}, const InflightArea* inflight = nullptr)
        : options_(options) {
        EXPECT_TRUE(shared.add(first_address, region_size, 0x3000));
        EXPECT_TRUE(shared.add(first_address + region_size, region_size));
        memory = table_of(shared);
        ring.emplace(shared, options);
        auto made = VirtQueue::create(*memory, config(inflight));
        if (!made) throw std::runtime_error(made.error());
        queue.emplace(std::move(*made));
    }

    [[nodiscard]] VirtQueue::Config config(const InflightArea* inflight = nullptr) const {
        std::uint64_t features = feature::version_1;
        if (options_.event_index) features |= feature::event_index;
        if (options_.indirect_entries != 0) features |= feature::indirect_descriptors;
        return {.size = options_.size,
                .addresses = {ring->descriptors_address(), ring->available_address(),
                              ring->used_address()},
                .base = options_.first_index,
                .features = features,
                .inflight = inflight,
                .index = 0};
    }

    [[nodiscard]] PopResult pop() { return queue->pop(storage, chain); }
    /// Pops one chain, which must be available, and pushes its completion.
    void serve(std::uint32_t written = 0) {
        ASSERT_EQ(pop(), PopResult::chain);
        queue->push(chain, written);
    }

    driver::SharedMemory shared;
    GuestMemory::Table memory;
    std::optional<driver::Ring> ring;
    std::optional<VirtQueue> queue;
    std::array<iovec, 16> storage{};
    Chain chain;

  private:
    driver::RingOptions options_;
};

inline std::string text_of(std::span<const iovec> buffers) {
    std::string text;
    for (const iovec& buffer : buffers)
        text.append(static_cast<const char*>(buffer.iov_base), buffer.iov_len);
    return text;
}

inline driver::Block block_of(driver::SharedMemory& memory, const std::string& text,
                              std::size_t region = 0) {
    const auto block = memory.allocate(text.size(), 1, region);
    std::memcpy(block.host, text.data(), text.size());
    return block;
}

}  // namespace zonebridge::virtio
