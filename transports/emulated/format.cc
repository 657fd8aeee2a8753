#include "transports/emulated/format.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>
#include <xxhash.h>

#include "base/bytes.h"

namespace zonebridge::emulated {
namespace {

// Begins with a non-ASCII byte, so that no text file looks like a disk.
constexpr std::array<std::uint8_t, 8> magic = {0x9A, 'Z', 'B', 'D', 'I', 'S', 'K', '\n'};

// A zone may be reset and written again before the reset is durable; it then holds two slots until
// the next commit.
constexpr std::uint64_t spare_slots = 1024;
constexpr std::uint64_t max_file_offset = std::uint64_t{1} << 62;

// Offsets in the superblock's sector.
enum : std::size_t {
    at_version = 8,
    at_model = 12,
    at_clean = 13,
    at_uuid = 16,
    at_generation = 32,
    at_digest = 40,
    at_file_size = 48,
    at_size = 56,
    at_zone_size = 64,
    at_capacity = 72,
    at_conventional = 80,
    at_max_open = 84,    // 0: no limit
    at_max_active = 88,  // 0: no limit
    at_logical = 92,
    at_physical = 96,
    at_live = 100,
    at_failure = 104,
    at_epoch = 112,
    at_boot_id = 120,
    at_inode = 136,
    at_birth = 144,
    at_checksum = 504,
};

std::uint64_t round_up(std::uint64_t value, std::uint64_t to) {
    return (value + to - 1) / to * to;
}

std::uint64_t checksum_of(const std::uint8_t* sector) noexcept {
    return XXH3_64bits(sector, at_checksum);
}

std::optional<std::uint32_t> limit_at(ByteView fields, std::size_t at) noexcept {
    const auto value = fields.le32(at);
    if (value == 0) return std::nullopt;
    return value;
}

// The caller adds the path.
Error bad_superblock(std::string message) {
    return {StatusCode::media_error, std::move(message), {}};
}

tl::expected<Superblock, Error> decode(const std::uint8_t* sector) {
    if (std::memcmp(sector, magic.data(), magic.size()) != 0)
        return tl::make_unexpected(
            bad_superblock("is not an emulated zoned disk (no magic number)"));
    const ByteView fields({sector, sector_size});
    // Check the version before the checksum: a newer format may have that elsewhere.
    const auto version = fields.le32(at_version);
    if (version > format_version && version < 0x10000)
        return tl::make_unexpected(bad_superblock(fmt::format(
            "has format version {}, but this program knows only version {}: use a newer zonebridge",
            version, format_version)));
    if (fields.le64(at_checksum) != checksum_of(sector))
        return tl::make_unexpected(
            bad_superblock("is damaged: the superblock's checksum is wrong"));
    if (version != format_version && version != first_format_version)
        return tl::make_unexpected(
            bad_superblock(fmt::format("is damaged: there is no format version {}", version)));

    Superblock result;
    result.version = version;
    std::copy_n(sector + at_uuid, result.uuid.size(), result.uuid.begin());
    result.epoch = fields.le64(at_epoch);
    std::copy_n(sector + at_boot_id, result.instance.boot_id.size(),
                result.instance.boot_id.begin());
    result.instance.inode = fields.le64(at_inode);
    result.instance.birth = fields.le64(at_birth);
    result.live = sector[at_live] != 0;
    result.failure = fields.le32(at_failure);
    result.generation = fields.le64(at_generation);
    result.clean = sector[at_clean] != 0;
    result.table_digest = fields.le64(at_digest);
    result.file_size = fields.le64(at_file_size);
    auto& shape = result.shape;
    shape.size = fields.le64(at_size);
    shape.zone_size = fields.le64(at_zone_size);
    if (const auto capacity = fields.le64(at_capacity); capacity != 0)
        shape.zone_capacity = capacity;
    shape.conventional = fields.le32(at_conventional);
    shape.max_open = limit_at(fields, at_max_open);
    shape.max_active = limit_at(fields, at_max_active);
    shape.logical_block_size = fields.le32(at_logical);
    shape.physical_block_size = fields.le32(at_physical);
    if (sector[at_model] > static_cast<std::uint8_t>(Model::host_managed))
        return tl::make_unexpected(
            bad_superblock(fmt::format("is damaged: there is no zone model {}", sector[at_model])));
    shape.model = static_cast<Model>(sector[at_model]);
    if (auto valid = validate(shape); !valid)
        return tl::make_unexpected(
            bad_superblock("is damaged: its geometry is invalid: " + valid.error().message));
    return result;
}

}  // namespace

Geometry::Geometry(const Shape& shape, std::uint32_t version)
    : layout(shape.size, shape.model == Model::none ? 0 : shape.zone_size,
             shape.zone_capacity.value_or(shape.zone_size), shape.conventional,
             shape.model == Model::host_aware ? ZoneType::sequential_write_preferred
                                              : ZoneType::sequential_write_required) {
    const auto zones = layout.zone_count();
    table_sectors =
        static_cast<std::uint32_t>((zones + records_per_sector - 1) / records_per_sector);
    const auto bank = round_up(std::uint64_t{table_sectors} * sector_size, page_size);
    table_banks = {2 * page_size, 2 * page_size + bank};
    live_offset = table_banks[1] + bank;
    if (version != first_format_version && zones != 0)
        live_size = page_size + round_up(std::uint64_t{zones} * live_entry_size, page_size);
    plain_offset = live_offset + live_size;
    if (zones == 0) return;
    slots_offset =
        round_up(plain_offset + layout.zone_size() * layout.conventional_count(), page_size);
    slot_size = round_up(layout.zone_capacity(), page_size);
    const auto sequential = zones - layout.conventional_count();
    slot_count = static_cast<std::uint32_t>(std::min<std::uint64_t>(
        sequential + spare_slots, (max_file_offset - slots_offset) / slot_size));
}

std::uint64_t Superblock::seed() const noexcept {
    return ByteView(uuid).le64(0);
}

SectorBytes encode(const Superblock& superblock) noexcept {
    SectorBytes sector{};
    auto* at = sector.data();
    std::copy(magic.begin(), magic.end(), at);
    ByteWriter fields(sector);
    fields.le32(at_version, superblock.version);
    at[at_model] = static_cast<std::uint8_t>(superblock.shape.model);
    at[at_clean] = superblock.clean ? 1 : 0;
    std::copy(superblock.uuid.begin(), superblock.uuid.end(), at + at_uuid);
    fields.le64(at_generation, superblock.generation);
    fields.le64(at_digest, superblock.table_digest);
    fields.le64(at_file_size, superblock.file_size);
    const auto& shape = superblock.shape;
    fields.le64(at_size, shape.size);
    fields.le64(at_zone_size, shape.zone_size);
    fields.le64(at_capacity, shape.zone_capacity.value_or(0));
    fields.le32(at_conventional, shape.conventional);
    fields.le32(at_max_open, shape.max_open.value_or(0));
    fields.le32(at_max_active, shape.max_active.value_or(0));
    fields.le32(at_logical, shape.logical_block_size);
    fields.le32(at_physical, shape.physical_block_size);
    at[at_live] = superblock.live ? 1 : 0;
    fields.le32(at_failure, superblock.failure);
    fields.le64(at_epoch, superblock.epoch);
    std::copy(superblock.instance.boot_id.begin(), superblock.instance.boot_id.end(),
              at + at_boot_id);
    fields.le64(at_inode, superblock.instance.inode);
    fields.le64(at_birth, superblock.instance.birth);
    fields.le64(at_checksum, checksum_of(at));
    return sector;
}

tl::expected<FoundSuperblock, Error> choose_superblock(
    std::span<const std::uint8_t, 2 * page_size> start) {
    std::array<tl::expected<Superblock, Error>, 2> copies = {decode(start.data()),
                                                             decode(start.data() + page_size)};
    for (std::size_t copy = 0; copy < 2; ++copy)
        if (copies[copy] && copies[copy]->generation % 2 != copy)
            copies[copy] = tl::make_unexpected(
                bad_superblock("is damaged: a superblock lies where the other copy belongs"));
    if (copies[0] && copies[1]) {
        if (copies[0]->uuid != copies[1]->uuid)
            return tl::make_unexpected(
                bad_superblock("is damaged: its two superblocks belong to different disks"));
        const auto& newer = copies[0]->generation > copies[1]->generation ? *copies[0] : *copies[1];
        return FoundSuperblock{newer, true};
    }
    for (auto& copy : copies)
        if (copy) return FoundSuperblock{*copy, false};
    // The copy that still has the magic number gives the better error.
    const auto first_has_magic = std::equal(magic.begin(), magic.end(), start.begin());
    return tl::make_unexpected(first_has_magic ? copies[0].error() : copies[1].error());
}

bool has_magic(std::span<const std::uint8_t, 2 * page_size> start) noexcept {
    return std::equal(magic.begin(), magic.end(), start.begin()) ||
           std::equal(magic.begin(), magic.end(), start.begin() + page_size);
}

tl::unexpected<Error> damaged(const std::string& path, std::string_view what) {
    return tl::make_unexpected(
        Error{StatusCode::media_error,
              fmt::format("{} is damaged: {}; restore it from a copy", path, what),
              {}});
}

}  // namespace zonebridge::emulated
