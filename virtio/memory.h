// A guest's memory: an immutable table of regions, each a piece of guest physical address space
// backed by a mapping. A change makes a new table that shares the mappings it keeps.
//
// Threads: immutable once built. A Hint belongs to its caller's thread.
// Ownership: the control plane holds tables by shared_ptr; the data path borrows a plain reference.
// Code that replaces a table keeps the old one until nothing uses its addresses any more, requests
// in flight included.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <sys/uio.h>
#include <vector>

#include <tl/expected.hpp>

#include "virtio/mapping.h"

namespace zonebridge::virtio {

/// A region as a front end describes it (vhost-user, "Memory regions description").
struct MemoryRegion {
    std::uint64_t guest_address = 0;  ///< Guest physical, as in descriptors.
    std::uint64_t size = 0;           ///< Bytes.
    std::uint64_t user_address = 0;   ///< The front end's own, as in ring addresses.
    std::uint64_t mmap_offset = 0;    ///< Where the region starts in its file.
};

/// A region and the file it lies in; the descriptor is borrowed.
struct MemoryRegionSource {
    MemoryRegion region;
    int fd;
    Mapping::Options options = {};
};

class GuestMemory {
  public:
    /// Regions that one table may have; also the answer to GET_MAX_MEM_SLOTS.
    static constexpr std::size_t max_regions = 509;

    using Table = std::shared_ptr<const GuestMemory>;

    /// The region of the last lookup, which the next one tries first. Start with {}, and again with
    /// every other table.
    struct Hint {
        std::uint64_t guest_address = 0;
        std::uint64_t size = 0;
        std::byte* host = nullptr;
        bool writable = true;
    };

    /// How the caller will use the bytes.
    enum class Access : std::uint8_t { read, write };

    /// A guest with no memory: every lookup fails.
    [[nodiscard]] static Table none();

    /// A whole new table (SET_MEM_TABLE). Reuses mappings of `previous` that are the same file
    /// range, so that their addresses stay. Refuses overlapping guest addresses, ranges that
    /// overflow, and whatever Mapping::map refuses; the error names the region.
    [[nodiscard]] static tl::expected<Table, std::string> build(
        std::span<const MemoryRegionSource> sources, const GuestMemory& previous);

    /// This table and one region more (ADD_MEM_REG).
    [[nodiscard]] tl::expected<Table, std::string> with(const MemoryRegionSource& source) const;
    /// This table without the region of that guest address, user address and size (REM_MEM_REG).
    [[nodiscard]] tl::expected<Table, std::string> without(const MemoryRegion& region) const;

    /// `length` bytes of guest memory at `address`, which have to lie in one region; null if they
    /// don't. Does not check whether they may be written: see hint.writable afterwards.
    [[nodiscard]] std::byte* translate(std::uint64_t address, std::uint64_t length,
                                       Hint& hint) const noexcept {
        const std::uint64_t offset = address - hint.guest_address;
        if (offset < hint.size && length <= hint.size - offset) [[likely]]
            return hint.host + offset;
        return find(address, length, hint);
    }

    /// As translate, but across neighbouring regions: writes the pieces at the front of `out` and
    /// returns their number. Nothing if some byte lies in no region that grants `access`, or `out`
    /// is too short.
    [[nodiscard]] std::optional<std::size_t> translate_pieces(
        std::uint64_t address, std::uint64_t length, std::span<iovec> out, Hint& hint,
        Access access = Access::read) const noexcept;

    /// Copies guest memory out, across regions; false if some byte lies in none.
    [[nodiscard]] bool read(std::uint64_t address, std::span<std::byte> out,
                            Hint& hint) const noexcept;

    /// `length` bytes at the front end's own `address`, as ring addresses are; in one region that
    /// grants `access`, otherwise null.
    [[nodiscard]] std::byte* translate_user(std::uint64_t address, std::uint64_t length,
                                            Access access = Access::read) const noexcept;

    /// The guest physical address of a byte in a mapped region.
    [[nodiscard]] std::optional<std::uint64_t> guest_address(const void* host) const noexcept;

    /// The peer truncated memory that was touched since: data read there is worthless. Cheap while
    /// no fault happened in this process.
    [[nodiscard]] bool broken() const noexcept {
        return sigbus_faults() != faults_when_built_ && any_mapping_broken();
    }

    [[nodiscard]] std::size_t region_count() const noexcept { return regions_.size(); }
    /// The first guest physical address behind the last region: what a dirty log has to cover.
    [[nodiscard]] std::uint64_t end() const noexcept;

  private:
    struct Region {
        std::uint64_t guest_address;
        std::uint64_t size;
        std::uint64_t user_address;
        std::byte* host;
        std::shared_ptr<const Mapping> mapping;
    };

    GuestMemory() noexcept;
    [[nodiscard]] static tl::expected<Table, std::string> from(std::vector<Region> regions);
    [[nodiscard]] std::byte* find(std::uint64_t address, std::uint64_t length,
                                  Hint& hint) const noexcept;
    [[nodiscard]] const Region* containing(std::uint64_t address, Hint& hint) const noexcept;
    [[nodiscard]] bool any_mapping_broken() const noexcept;

    std::vector<Region> regions_;  // by guest address
    std::uint64_t faults_when_built_;
};

}  // namespace zonebridge::virtio
