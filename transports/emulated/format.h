// The layout of an emulated disk's file: superblock | zone table | data.
//
//   0         superblock, copy A        one 512-byte sector each, at the start of its own 4 KiB
//   4096      superblock, copy B
//   8192      zone table, bank A        a 512-byte sector for every 15 zones
//             zone table, bank B        the same sectors again; each starts on 4 KiB
//             live table                64 bytes a zone, after a page of its own (live_table.h)
//             plain area                conventional zones, or the whole of a disk without zones
//             slots                     a sequential zone's data each, given out as they are needed
//
// Of two copies the one with the higher generation counts; copy A's generations are even, copy B's
// odd, so that the next write always replaces the older one
// (docs/decisions/emulated-disk-format.md).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "transports/emulated/emulated.h"
#include "zone/limits.h"
#include "zone/status.h"
#include "zone/types.h"

namespace zonebridge::emulated {

inline constexpr std::size_t sector_size = 512;
inline constexpr std::size_t page_size = 4096;
inline constexpr std::uint32_t format_version = 2;
/// Has no live table.
inline constexpr std::uint32_t first_format_version = 1;
/// The most zones of a disk: the zone table is kept in memory, 16 bytes a zone.
inline constexpr std::uint32_t max_zones = 16 * 1024 * 1024;
/// Zones in a sector of the zone table.
inline constexpr std::size_t records_per_sector = 15;
/// Bytes of a zone in the live table: a cache line.
inline constexpr std::size_t live_entry_size = 64;

using SectorBytes = std::array<std::uint8_t, sector_size>;
using Uuid = std::array<std::uint8_t, 16>;

/// The positions in the file, all in bytes from its start.
struct Geometry {
    explicit Geometry(const Shape& shape, std::uint32_t version = format_version);

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
    std::uint64_t live_offset = 0;
    std::uint64_t live_size = 0;  ///< 0 if there is no live table.
    std::uint64_t plain_offset = 0;
    std::uint64_t slots_offset = 0;
    std::uint64_t slot_size = 0;
    std::uint32_t slot_count = 0;  ///< More than the number of sequential zones.
};

/// What tells one use of a file from a use of a copy, or from a use before the host restarted. The boot
/// id alone proves nothing: containers share it, and a clone of a virtual machine begins with it.
struct FileInstance {
    Uuid boot_id{};  ///< All zero: not known.
    std::uint64_t inode = 0;
    std::uint64_t birth = 0;  ///< Nanoseconds since 1970; 0 if the file system does not keep it.

    friend bool operator==(const FileInstance&, const FileInstance&) = default;
};

struct Superblock {
    std::uint32_t version = format_version;
    Uuid uuid{};
    std::uint64_t generation = 0;
    /// Counts the times that the disk was taken into use, for the live table.
    std::uint64_t epoch = 0;
    /// Where the disk is in use, or was last.
    FileInstance instance;
    /// In this use every change is in the live table before it is acknowledged.
    bool live = false;
    /// The errno with which data could not be made durable in this use; 0 if that did not happen.
    std::uint32_t failure = 0;
    /// No change was made after everything became durable; open zones stay open.
    bool clean = false;
    std::uint64_t table_digest = 0;  ///< If clean: the sum of digest_part() of the sectors.
    std::uint64_t file_size = 0;     ///< The minimum size of the file.
    Shape shape;

    [[nodiscard]] std::uint64_t seed() const noexcept;  ///< For the table's checksums.
};

[[nodiscard]] SectorBytes encode(const Superblock& superblock) noexcept;

/// The newer good copy of the superblock.
struct FoundSuperblock {
    Superblock superblock;
    bool both_good = false;
};
[[nodiscard]] tl::expected<FoundSuperblock, Error> choose_superblock(
    std::span<const std::uint8_t, 2 * page_size> start);
/// Whether either copy begins with the magic number.
[[nodiscard]] bool has_magic(std::span<const std::uint8_t, 2 * page_size> start) noexcept;

class File;

/// Writes an empty disk of a valid shape and makes it durable; 0 or an errno.
[[nodiscard]] int format(File& file, const Shape& shape, const Uuid& uuid);

/// The error for a disk of which a part is lost: "PATH is damaged: `what`; ...".
[[nodiscard]] tl::unexpected<Error> damaged(const std::string& path, std::string_view what);

/// "2 MiB", "513 bytes".
[[nodiscard]] std::string in_words(std::uint64_t bytes);

}  // namespace zonebridge::emulated
