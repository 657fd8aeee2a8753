// A guest's memory for fuzzers, mapped once for the driver and once for the device. The device may
// touch only the bytes that open() released: AddressSanitizer detects any other access.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <utility>
#include <vector>

#include "tests/driver/shared_memory.h"
#include "virtio/memory.h"

#if defined(__SANITIZE_ADDRESS__)
#define ZONEBRIDGE_FUZZ_POISONS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ZONEBRIDGE_FUZZ_POISONS 1
#endif
#endif
#ifdef ZONEBRIDGE_FUZZ_POISONS
#include <sanitizer/asan_interface.h>
#endif

namespace zonebridge::fuzz {

class Guest {
  public:
    /// Two adjacent regions, and one elsewhere.
    static constexpr std::uint64_t first_address = 0x100000, region_size = 0x40000;
    static constexpr std::uint64_t far_address = 0x40000000;

    /// The program's only instance: mapping memory for each input would take longer than the input.
    [[nodiscard]] static Guest& get() {
        static Guest guest;
        return guest;
    }
    Guest(const Guest&) = delete;
    Guest& operator=(const Guest&) = delete;

    /// Frees all memory and closes it to the device.
    void begin() {
        shared.reset();
        border_taken_ = false;
        for (const auto& region : shared.regions()) poison(region.guest_address, region.size, true);
    }
    /// Lets the device touch `length` bytes at a guest address, as far as they lie in regions.
    void open(std::uint64_t address, std::uint64_t length) { poison(address, length, false); }
    /// Allocates memory and opens it to the device.
    [[nodiscard]] driver::Block allocate(std::size_t size, std::size_t region = 0) {
        // Aligned to 8 bytes, so that AddressSanitizer can detect an access right behind the end.
        const auto block = shared.allocate(size, 8, region);
        open(block.address, block.size);
        return block;
    }

    /// Reserves the border of the first two regions, which has room for one buffer at a time.
    [[nodiscard]] bool take_border() { return !std::exchange(border_taken_, true); }
    void free_border() { border_taken_ = false; }

    driver::SharedMemory shared;
    virtio::GuestMemory::Table memory;

  private:
    Guest() {
        std::vector<virtio::MemoryRegionSource> sources;
        for (const auto address : {first_address, first_address + region_size, far_address})
            if (!shared.add(address, region_size)) throw std::runtime_error("no memory");
        for (const auto& region : shared.regions())
            sources.push_back({{region.guest_address, region.size, shared.user_address(region.host),
                                region.mmap_offset},
                               region.fd});
        auto table = virtio::GuestMemory::build(sources, *virtio::GuestMemory::none());
        if (!table) throw std::runtime_error(table.error());
        memory = *table;
    }

    void poison([[maybe_unused]] std::uint64_t address, [[maybe_unused]] std::uint64_t length,
                [[maybe_unused]] bool closed) {
#ifdef ZONEBRIDGE_FUZZ_POISONS
        for (const auto& region : shared.regions()) {
            const auto first = std::max(address, region.guest_address);
            const auto past = length > ~address ? ~std::uint64_t{0} : address + length;
            const auto last = std::min(past, region.guest_address + region.size);
            if (first >= last) continue;
            virtio::GuestMemory::Hint hint;
            auto* const host = memory->translate(first, last - first, hint);
            if (closed)
                __asan_poison_memory_region(host, last - first);
            else
                __asan_unpoison_memory_region(host, last - first);
        }
#endif
    }

    bool border_taken_ = false;
};

}  // namespace zonebridge::fuzz
