// What an emulated disk's file holds, and where: superblock | zone table | data.
//
//   0         superblock, copy A        one 512-byte sector each, at the start of its own 4 KiB
//   4096      superblock, copy B
//   8192      zone table, bank A        a 512-byte sector for every 15 zones
//             zone table, bank B        the same sectors again; each starts on 4 KiB
//             plain area                conventional zones, or the whole of a disk without zones
//             slots                     a sequential zone's data each, given out as they are needed
//
// Of two copies the one with the higher generation holds; copy A's generations are even, copy B's
// odd, so the next write always goes over the older one. docs/decisions/emulated-disk-format.md
// says why.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include <tl/expected.hpp>

#include "transports/emulated/emulated.h"
#include "zone/limits.h"
#include "zone/status.h"
#include "zone/types.h"

namespace zonebridge::emulated {

inline constexpr std::size_t sector_size = 512;
inline constexpr std::size_t page_size = 4096;
inline constexpr std::uint32_t format_version = 1;
/// Zones a disk may have: the zone table is kept in memory, 16 bytes a zone.
inline constexpr std::uint32_t max_zones = 16 * 1024 * 1024;

using SectorBytes = std::array<std::uint8_t, sector_size>;
using Uuid = std::array<std::uint8_t, 16>;

/// Where things lie in the file. All in bytes from its start.
struct Geometry {
    explicit Geometry(const Shape& shape);

    [[nodiscard]] std::uint64_t table_sector(std::uint32_t index,
                                             std::uint64_t generation) const noexcept {
        return table_banks[generation & 1] + std::uint64_t{index} * sector_size;
    }
    [[nodiscard]] std::uint64_t slot_offset(std::uint32_t slot) const noexcept {
        return slots_offset + slot_size * slot;
    }

    Layout layout;
    std::uint32_t table_sectors = 0;
    std::array<std::uint64_t, 2> table_banks{};
    std::uint64_t plain_offset = 0;
    std::uint64_t slots_offset = 0;
    std::uint64_t slot_size = 0;
    std::uint32_t slot_count = 0;  ///< Some more than there are sequential zones.
};

struct Superblock {
    Uuid uuid{};
    std::uint64_t generation = 0;
    /// Nothing changed since everything was made durable; open zones stay open.
    bool clean = false;
    std::uint64_t table_digest = 0;  ///< Meaningful where clean: table_digest() of the sectors.
    std::uint64_t file_size = 0;     ///< The least the file must have.
    Shape shape;

    [[nodiscard]] std::uint64_t seed() const noexcept;  ///< For the table's checksums.
};

[[nodiscard]] SectorBytes encode(const Superblock& superblock) noexcept;

/// The newer good copy. The error's message lacks the file's name.
struct FoundSuperblock {
    Superblock superblock;
    bool both_good = false;
};
[[nodiscard]] tl::expected<FoundSuperblock, Error> choose_superblock(
    std::span<const std::uint8_t, 2 * page_size> start);
/// Either copy begins with our magic.
[[nodiscard]] bool has_magic(std::span<const std::uint8_t, 2 * page_size> start) noexcept;

/// "2 MiB", "513 bytes".
[[nodiscard]] std::string in_words(std::uint64_t bytes);

}  // namespace zonebridge::emulated
