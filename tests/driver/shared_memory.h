// The memory of a simulated guest: memfds with guest physical addresses, and a simple allocator for
// rings and buffers in them.
//
// Ownership: owns the files and their mappings; a Block is a view.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <tl/expected.hpp>

namespace zonebridge::driver {

/// A piece of guest memory, with its addresses in the guest and in this process.
struct Block {
    std::uint64_t address = 0;  ///< The guest physical address.
    std::byte* host = nullptr;  ///< The address in this process.
    std::size_t size = 0;

    [[nodiscard]] std::span<std::byte> bytes() const noexcept { return {host, size}; }
};

class SharedMemory {
  public:
    struct Region {
        std::uint64_t guest_address;
        std::uint64_t size;
        std::byte* host;            ///< Also the region's "user address".
        std::uint64_t mmap_offset;  ///< The offset of the region in `fd`.
        int fd;
    };

    SharedMemory() = default;
    SharedMemory(const SharedMemory&) = delete;
    SharedMemory& operator=(const SharedMemory&) = delete;
    ~SharedMemory();

    /// Adds a region in a file of its own, `file_offset` bytes into it; returns its number. Back
    /// ends accept only sizes and addresses that are multiples of 4096.
    [[nodiscard]] tl::expected<std::size_t, std::string> add(std::uint64_t guest_address,
                                                             std::uint64_t size,
                                                             std::uint64_t file_offset = 0);

    [[nodiscard]] const std::vector<Region>& regions() const noexcept { return regions_; }
    /// `size` zeroed bytes of region `region`; the address is a multiple of `alignment`. Throws
    /// std::bad_alloc if the region is full, which is an error of the test. Only reset frees
    /// memory.
    [[nodiscard]] Block allocate(std::size_t size, std::size_t alignment = 16,
                                 std::size_t region = 0);
    /// Frees everything that was allocated; the bytes stay.
    void reset() noexcept;
    [[nodiscard]] std::uint64_t user_address(const std::byte* host) const noexcept {
        return reinterpret_cast<std::uintptr_t>(host);
    }
    /// The bytes at a guest address inside one region; throws std::out_of_range elsewhere.
    [[nodiscard]] std::byte* at(std::uint64_t guest_address) const;

  private:
    std::vector<Region> regions_;
    std::vector<std::uint64_t> used_;  // bytes allocated of each region
};

}  // namespace zonebridge::driver
