// A guest's memory for fuzzers, mapped once for the driver and once for the device. The device may
// touch only the bytes that open() released: AddressSanitizer detects any other access.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
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

    /// Frees all memory, clears the bytes that were open, so that an input cannot see an earlier one's,
    /// and closes them to the device.
    void begin() {
        shared.reset();
        border_taken_ = false;
        for (std::size_t i = 0; i < opened_.size(); ++i) {
            auto& [first, last] = opened_[i];
            if (first >= last) continue;
            const auto& region = shared.regions()[i];
            std::memset(region.host + first, 0, last - first);
            poison(region, first, last, true);
            first = region_size;
            last = 0;
        }
    }
    /// Whether all bytes are zeroes, as after begin().
    [[nodiscard]] bool is_clear() const {
        return std::all_of(shared.regions().begin(), shared.regions().end(),
                           [](const auto& region) {
                               return std::all_of(region.host, region.host + region.size,
                                                  [](auto byte) { return byte == std::byte{0}; });
                           });
    }
    /// Lets the device touch `length` bytes at a guest address, as far as they lie in regions.
    void open(std::uint64_t address, std::uint64_t length) {
        const auto past = length > ~address ? ~std::uint64_t{0} : address + length;
        for (std::size_t i = 0; i < opened_.size(); ++i) {
            const auto& region = shared.regions()[i];
            if (past <= region.guest_address || address >= region.guest_address + region.size)
                continue;
            const auto first = std::max(address, region.guest_address) - region.guest_address;
            const auto last = std::min(past - region.guest_address, region.size);
            if (first >= last) continue;
            opened_[i].first = std::min(opened_[i].first, first);
            opened_[i].last = std::max(opened_[i].last, last);
            poison(region, first, last, false);
        }
    }
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
        for (const auto& region : shared.regions()) poison(region, 0, region.size, true);
    }

    /// Offsets in the region. The driver's own mapping stays open.
    void poison([[maybe_unused]] const driver::SharedMemory::Region& region,
                [[maybe_unused]] std::uint64_t first, [[maybe_unused]] std::uint64_t last,
                [[maybe_unused]] bool closed) {
#ifdef ZONEBRIDGE_FUZZ_POISONS
        virtio::GuestMemory::Hint hint;
        auto* const host = memory->translate(region.guest_address + first, last - first, hint);
        if (closed)
            __asan_poison_memory_region(host, last - first);
        else
            __asan_unpoison_memory_region(host, last - first);
#endif
    }

    /// What was opened of a region lies between these offsets.
    struct Opened {
        std::uint64_t first = region_size;
        std::uint64_t last = 0;
    };
    std::array<Opened, 3> opened_;
    bool border_taken_ = false;
};

}  // namespace zonebridge::fuzz
