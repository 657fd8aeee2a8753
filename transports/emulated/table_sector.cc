#include "transports/emulated/table_sector.h"

#include <algorithm>

#include <xxhash.h>

#include "base/bytes.h"

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
    in_state = 0,  // followed by three zero bytes
    in_slot = 4,   // slot + 1; 0 if there is none
    in_proven = 8,
    in_written = 16,
    in_hash = 24,
};

}  // namespace

void encode(const TableSector& sector, std::span<const ZoneRecord> records, std::uint64_t seed,
            std::span<std::uint8_t, sector_size> out) noexcept {
    std::fill(out.begin(), out.end(), std::uint8_t{0});
    ByteWriter fields(out);
    fields.le32(at_magic, magic);
    fields.le32(at_index, sector.index);
    fields.le64(at_generation, sector.generation);
    fields.le64(at_commit, sector.commit);
    std::size_t at = at_records;
    for (const auto& zone : records) {
        fields.u8(at + in_state, static_cast<std::uint8_t>(zone.state));
        fields.le32(at + in_slot, zone.slot ? *zone.slot + 1 : std::uint32_t{0});
        fields.le64(at + in_proven, zone.proven);
        fields.le64(at + in_written, zone.written);
        fields.le64(at + in_hash, zone.hash);
        at += record_size;
    }
    fields.le64(at_checksum, XXH3_64bits_withSeed(out.data(), at_checksum, seed));
}

std::optional<TableSector> decode_sector(std::span<const std::uint8_t, sector_size> bytes,
                                         std::uint32_t index, std::size_t copy,
                                         std::uint64_t seed) noexcept {
    const ByteView fields(bytes);
    if (fields.le32(at_magic) != magic) return std::nullopt;
    if (fields.le32(at_index) != index) return std::nullopt;
    if (fields.le64(at_checksum) != XXH3_64bits_withSeed(bytes.data(), at_checksum, seed))
        return std::nullopt;
    const TableSector sector{index, fields.le64(at_generation), fields.le64(at_commit)};
    if (sector.generation % 2 != copy) return std::nullopt;
    return sector;
}

std::optional<ZoneRecord> decode_record(std::span<const std::uint8_t, sector_size> bytes,
                                        std::size_t i) noexcept {
    const auto fields = ByteView(bytes).sub(at_records + i * record_size, record_size);
    const auto state = zone_state_of(fields.u8(in_state));
    if (!state || fields.u8(1) != 0 || fields.u8(2) != 0 || fields.u8(3) != 0) return std::nullopt;
    ZoneRecord record;
    record.state = *state;
    if (const auto slot = fields.le32(in_slot); slot != 0) record.slot = slot - 1;
    record.proven = fields.le64(in_proven);
    record.written = fields.le64(in_written);
    record.hash = fields.le64(in_hash);
    return record;
}

std::uint64_t digest_part(std::uint32_t index, std::uint64_t generation) noexcept {
    std::uint8_t bytes[8];
    ByteWriter(bytes).le64(0, generation);
    return XXH3_64bits_withSeed(bytes, sizeof bytes, index);
}

std::uint64_t hash_blocks(std::span<const std::uint8_t> data, std::uint64_t position,
                          std::uint32_t block_size) noexcept {
    std::uint64_t sum = 0;
    for (std::size_t done = 0; done + block_size <= data.size(); done += block_size)
        sum += XXH3_64bits_withSeed(data.data() + done, block_size, position + done);
    return sum;
}

}  // namespace zonebridge::emulated
