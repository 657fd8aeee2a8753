// The zone table: the saved state of every zone, in 512-byte sectors that are written whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "transports/emulated/format.h"
#include "zone/types.h"

namespace zonebridge::emulated {

/// One zone. `written` counts the bytes from the zone's start that hold data. The first `proven` of
/// them were durable before the commit that wrote this record; the rest is valid only if it has the
/// hash (hash_blocks()), because the record may have reached the disk without its data.
struct ZoneRecord {
    ZoneState state = ZoneState::empty;
    std::optional<std::uint32_t> slot;  ///< The slot of the data; absent if nothing is written.
    std::uint64_t proven = 0;
    std::uint64_t written = 0;
    std::uint64_t hash = 0;

    friend bool operator==(const ZoneRecord&, const ZoneRecord&) = default;
};
/// The state of a zone of which only the first `written` bytes count.
[[nodiscard]] constexpr ZoneState state_with_less(std::uint64_t written) noexcept {
    return written == 0 ? ZoneState::empty : ZoneState::closed;
}

struct TableSector {
    std::uint32_t index = 0;
    std::uint64_t generation = 0;
    /// The commit that wrote it. Every commit but the newest found in the table is wholly durable.
    std::uint64_t commit = 0;
};

/// `records` are those of the zones from index * 15 on, at most 15. `seed`: Superblock::seed().
void encode(const TableSector& sector, std::span<const ZoneRecord> records, std::uint64_t seed,
            std::span<std::uint8_t, sector_size> out) noexcept;

/// Absent if the checksum, the index or the generation's parity is wrong for copy `copy`.
[[nodiscard]] std::optional<TableSector> decode_sector(
    std::span<const std::uint8_t, sector_size> bytes, std::uint32_t index, std::size_t copy,
    std::uint64_t seed) noexcept;
/// Record `i` of a good sector; absent if its fields are invalid.
[[nodiscard]] std::optional<ZoneRecord> decode_record(
    std::span<const std::uint8_t, sector_size> bytes, std::size_t i) noexcept;

/// A sector's part of the table's digest: the sum of all parts, saved in a clean superblock, shows
/// when a durable sector was lost.
[[nodiscard]] std::uint64_t digest_part(std::uint32_t index, std::uint64_t generation) noexcept;

/// The hash of a range of a zone's data: the sum, modulo 2^64, of each block's XXH3 seeded with its
/// position in the zone. It can be built piece by piece in any order, whatever the writes'
/// boundaries, and the part that a commit has covered can be subtracted.
///
/// `data` is whole blocks; `position` is the first one's distance from the zone's start, in bytes.
[[nodiscard]] std::uint64_t hash_blocks(std::span<const std::uint8_t> data, std::uint64_t position,
                                        std::uint32_t block_size) noexcept;

}  // namespace zonebridge::emulated
