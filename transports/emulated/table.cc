#include "transports/emulated/table.h"

#include <algorithm>

#include <xxhash.h>

#include "transports/emulated/bytes.h"

namespace zonebridge::emulated {
namespace {

constexpr std::uint32_t magic = 0x315A425A;  // "ZBZ1"
constexpr std::size_t record_size = 32;

enum : std::size_t {
    at_magic = 0,
    at_index = 4,
    at_generation = 8,
    at_commit = 16,
    at_records = 24,
    at_checksum = 504,
};
static_assert(at_records + records_per_sector * record_size == at_checksum);

enum : std::size_t {
    in_state = 0,  // then three bytes of zero
    in_slot = 4,   // slot + 1; 0 where there is none
    in_proven = 8,
    in_written = 16,
    in_hash = 24,
};

}  // namespace

void encode(const TableSector& sector, std::span<const ZoneRecord> records, std::uint64_t seed,
            std::span<std::uint8_t, sector_size> out) noexcept {
    std::fill(out.begin(), out.end(), std::uint8_t{0});
    auto* at = out.data();
    put(at + at_magic, magic);
    put(at + at_index, sector.index);
    put(at + at_generation, sector.generation);
    put(at + at_commit, sector.commit);
    auto* record = at + at_records;
    for (const auto& zone : records) {
        record[in_state] = static_cast<std::uint8_t>(zone.state);
        put(record + in_slot, zone.slot ? *zone.slot + 1 : std::uint32_t{0});
        put(record + in_proven, zone.proven);
        put(record + in_written, zone.written);
        put(record + in_hash, zone.hash);
        record += record_size;
    }
    put(at + at_checksum, std::uint64_t{XXH3_64bits_withSeed(at, at_checksum, seed)});
}

std::optional<TableSector> decode_sector(std::span<const std::uint8_t, sector_size> bytes,
                                         std::uint32_t index, std::size_t copy,
                                         std::uint64_t seed) noexcept {
    const auto* at = bytes.data();
    if (get<std::uint32_t>(at + at_magic) != magic) return std::nullopt;
    if (get<std::uint32_t>(at + at_index) != index) return std::nullopt;
    if (get<std::uint64_t>(at + at_checksum) != XXH3_64bits_withSeed(at, at_checksum, seed))
        return std::nullopt;
    const TableSector sector{index, get<std::uint64_t>(at + at_generation),
                             get<std::uint64_t>(at + at_commit)};
    if (sector.generation % 2 != copy) return std::nullopt;
    return sector;
}

std::optional<ZoneRecord> decode_record(std::span<const std::uint8_t, sector_size> bytes,
                                        std::size_t i) noexcept {
    const auto* at = bytes.data() + at_records + i * record_size;
    const auto state = zone_state_of(at[in_state]);
    if (!state || at[1] != 0 || at[2] != 0 || at[3] != 0) return std::nullopt;
    ZoneRecord record;
    record.state = *state;
    if (const auto slot = get<std::uint32_t>(at + in_slot); slot != 0) record.slot = slot - 1;
    record.proven = get<std::uint64_t>(at + in_proven);
    record.written = get<std::uint64_t>(at + in_written);
    record.hash = get<std::uint64_t>(at + in_hash);
    return record;
}

std::uint64_t digest_part(std::uint32_t index, std::uint64_t generation) noexcept {
    std::uint8_t bytes[8];
    put(bytes, generation);
    return XXH3_64bits_withSeed(bytes, sizeof bytes, index);
}

}  // namespace zonebridge::emulated
