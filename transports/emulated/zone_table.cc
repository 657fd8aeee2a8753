#include "transports/emulated/zone_table.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace zonebridge::emulated {
namespace {

constexpr std::size_t read_piece = 1 << 20;
constexpr std::size_t write_piece = 128;  // sectors encoded while holding the lock once

}  // namespace

ZoneTable::ZoneTable(File& file, const Geometry& geometry, std::uint64_t seed)
    : file_(file),
      geometry_(geometry),
      seed_(seed),
      dirty_(geometry.table_sectors),
      unsynced_(geometry.table_sectors),
      generations_(geometry.table_sectors),
      buffer_(write_piece * sector_size) {}

tl::expected<void, Error> ZoneTable::read(Source source, const std::string& path,
                                          const Visit& visit) {
    const auto sectors = geometry_.table_sectors;
    constexpr auto per_piece = static_cast<std::uint32_t>(read_piece / sector_size);
    std::vector<std::uint8_t> banks(2 * read_piece);
    for (std::uint32_t first = 0; first < sectors; first += per_piece) {
        const auto count = std::min(per_piece, sectors - first);
        const auto length = count * sector_size;
        for (std::size_t copy = 0; copy < 2; ++copy) {
            const auto into = std::span(banks).subspan(copy * read_piece, length);
            const auto at = geometry_.table_sector(first, copy);
            if (const auto error = source == Source::medium ? file_.read_medium(into, at)
                                                            : file_.read_all(into, at))
                return tl::make_unexpected(
                    os_failure(error, fmt::format("cannot read the zone table of {}", path)));
        }
        for (std::uint32_t i = 0; i < count; ++i) {
            const auto index = first + i;
            const auto* at = banks.data() + i * sector_size;
            const auto copy =
                choose(index, Bytes(at, sector_size), Bytes(at + read_piece, sector_size));
            if (!copy)
                return damaged(path, fmt::format("both copies of zone table sector {} are "
                                                 "unreadable (zones {} and following)",
                                                 index, index * records_per_sector));
            generations_[index] = copy->sector.generation;
            newest_commit_ = std::max(newest_commit_, copy->sector.commit);
            if (auto visited = visit(*copy); !visited) return visited;
        }
    }
    return {};
}

std::optional<ZoneRecord> ZoneTable::find(std::uint32_t zone) const noexcept {
    Banks banks;
    const auto newest = find_newest(static_cast<std::uint32_t>(zone / records_per_sector), banks);
    if (!newest) return std::nullopt;
    return decode_record(newest->bytes, zone % records_per_sector);
}

bool ZoneTable::is_unchanged(std::uint32_t zone) const noexcept {
    const auto index = static_cast<std::uint32_t>(zone / records_per_sector);
    Banks banks;
    const auto newest = find_newest(index, banks);
    return newest && newest->sector.generation == generations_[index];
}

std::optional<ZoneTable::Copy> ZoneTable::find_newest(std::uint32_t index,
                                                      Banks& banks) const noexcept {
    for (std::size_t copy = 0; copy < 2; ++copy)
        if (file_.read_all(banks[copy], geometry_.table_sector(index, copy)) != 0)
            banks[copy].fill(0);  // never a good sector
    return choose(index, banks[0], banks[1]);
}

std::optional<ZoneTable::Copy> ZoneTable::choose(std::uint32_t index, Bytes bank_a,
                                                 Bytes bank_b) const noexcept {
    const auto a = decode_sector(bank_a, index, 0, seed_);
    const auto b = decode_sector(bank_b, index, 1, seed_);
    if (!a && !b) return std::nullopt;
    if (a && (!b || a->generation > b->generation)) return Copy{*a, bank_a, b.has_value()};
    return Copy{*b, bank_b, a.has_value()};
}

int ZoneTable::write(std::uint64_t commit, Records& records, std::mutex& lock) noexcept {
    struct Run {
        std::uint64_t at = 0;
        std::size_t begin = 0;
        std::size_t end = 0;
    };
    std::array<Run, write_piece> runs;
    std::optional<std::size_t> next = 0;
    for (;;) {
        std::size_t used = 0;
        std::size_t run_count = 0;
        {
            const std::lock_guard guard(lock);
            while (used < buffer_.size() && (next = dirty_.next_set(*next)).has_value()) {
                const auto index = static_cast<std::uint32_t>((*next)++);
                dirty_.clear(index);
                if (!unsynced_.test(index)) ++generations_[index];
                unsynced_.set(index);
                encode_sector(
                    index, commit, records,
                    std::span<std::uint8_t, sector_size>(buffer_.data() + used, sector_size));
                const auto at = geometry_.table_sector(index, generations_[index]);
                if (run_count != 0 && runs[run_count - 1].at + (runs[run_count - 1].end -
                                                                runs[run_count - 1].begin) ==
                                          at)
                    runs[run_count - 1].end += sector_size;
                else
                    runs[run_count++] = {at, used, used + sector_size};
                used += sector_size;
            }
        }
        for (const auto& run : std::span(runs).first(run_count))
            if (const auto error = file_.write_all(
                    std::span(buffer_).subspan(run.begin, run.end - run.begin), run.at)) {
                const std::lock_guard guard(lock);
                dirty_.add(unsynced_);
                return error;
            }
        if (!next) {
            newest_commit_ = commit;
            return 0;
        }
    }
}

void ZoneTable::encode_sector(std::uint32_t index, std::uint64_t commit, Records& records,
                              std::span<std::uint8_t, sector_size> out) const noexcept {
    std::array<ZoneRecord, records_per_sector> taken;
    const auto first = static_cast<std::uint32_t>(index * records_per_sector);
    const auto of_sector = std::span(taken).first(
        std::min<std::size_t>(taken.size(), geometry_.layout.zone_count() - first));
    records.take_records(first, of_sector);
    encode(TableSector{index, generations_[index], commit}, of_sector, seed_, out);
}

std::uint64_t ZoneTable::digest() const noexcept {
    std::uint64_t sum = 0;
    for (std::uint32_t i = 0; i < generations_.size(); ++i) sum += digest_part(i, generations_[i]);
    return sum;
}

}  // namespace zonebridge::emulated
