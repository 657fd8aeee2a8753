#include "transports/emulated/live_table.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include <xxhash.h>

#include "base/bytes.h"
#include "zone/limits.h"

namespace zonebridge::emulated {
namespace {

constexpr std::uint64_t second_half = 1;  // the bit of an entry's word that says which half counts
constexpr std::size_t read_piece = 1 << 20;
static_assert(read_piece % live_entry_size == 0);

struct Half {
    std::uint32_t written;  // in granules
    std::uint32_t proven;
    std::uint32_t slot;  // + 1; 0 if there is none
    std::uint32_t state;
    std::uint64_t hash;
};

Half half_of(const ZoneRecord& record) noexcept {
    return {static_cast<std::uint32_t>(record.written / Layout::granule),
            static_cast<std::uint32_t>(record.proven / Layout::granule),
            record.slot ? *record.slot + 1 : std::uint32_t{0},
            static_cast<std::uint32_t>(record.state), record.hash};
}

// A state that does not exist becomes one that no zone with a record can have.
ZoneRecord record_of(const Half& half) noexcept {
    ZoneRecord record;
    record.state = half.state <= 0xFF ? zone_state_of(static_cast<std::uint8_t>(half.state))
                                            .value_or(ZoneState::not_write_pointer)
                                      : ZoneState::not_write_pointer;
    if (half.slot != 0) record.slot = half.slot - 1;
    record.written = std::uint64_t{half.written} * Layout::granule;
    record.proven = std::uint64_t{half.proven} * Layout::granule;
    record.hash = half.hash;
    return record;
}

}  // namespace

struct alignas(live_entry_size) LiveTable::Entry {
    std::atomic<std::uint64_t> word;  // the key, but for its lowest bit
    Half halves[2];
};

std::uint64_t LiveTable::key_of(const Superblock& superblock) noexcept {
    std::array<std::uint8_t, 56> of{};
    std::copy(superblock.uuid.begin(), superblock.uuid.end(), of.begin());
    std::copy(superblock.instance.boot_id.begin(), superblock.instance.boot_id.end(),
              of.begin() + 16);
    ByteWriter fields(of);
    fields.le64(32, superblock.epoch);
    fields.le64(40, superblock.instance.inode);
    fields.le64(48, superblock.instance.birth);
    // Never zero: that is the word of an unused entry.
    return (XXH3_64bits(of.data(), of.size()) & ~second_half) | std::uint64_t{1} << 63;
}

tl::expected<bool, int> LiveTable::was_used(std::uint64_t key) noexcept {
    std::array<std::uint64_t, 2> keys{};
    if (geometry_.live_size == 0) return false;
    std::array<std::uint8_t, sizeof keys> bytes{};
    if (const auto error = file_.read_all(bytes, geometry_.live_offset))
        return tl::make_unexpected(error);
    std::memcpy(keys.data(), bytes.data(), bytes.size());
    return std::find(keys.begin(), keys.end(), key) != keys.end();
}

int LiveTable::read(std::uint64_t key,
                    const std::function<void(std::uint32_t, const ZoneRecord&)>& visit) {
    static_assert(sizeof(Entry) == live_entry_size);
    const auto first = geometry_.live_offset + page_size;
    const auto end = first + std::uint64_t{geometry_.layout.zone_count()} * live_entry_size;
    std::vector<std::uint8_t> bytes(read_piece);
    // Most of a large table was never touched, and is a hole.
    for (auto at = file_.next_data(first); at && *at < end; at = file_.next_data(*at)) {
        *at -= (*at - first) % live_entry_size;
        const auto piece = std::span(bytes).first(std::min<std::uint64_t>(bytes.size(), end - *at));
        if (const auto error = file_.read_all(piece, *at)) return error;
        for (std::size_t i = 0; i < piece.size(); i += live_entry_size) {
            std::uint64_t word = 0;
            std::memcpy(&word, &piece[i], sizeof word);
            if ((word & ~second_half) != key) continue;
            Half half;
            std::memcpy(&half,
                        &piece[i + offsetof(Entry, halves) + (word & second_half) * sizeof half],
                        sizeof half);
            visit(static_cast<std::uint32_t>((*at + i - first) / live_entry_size), record_of(half));
        }
        *at += piece.size();
    }
    return 0;
}

void LiveTable::map() {
    if (geometry_.live_size == 0) return;
    mapped_ = file_.map(geometry_.live_offset, geometry_.live_size);
    if (mapped_.empty()) return;
    auto guard = SigbusRange::guard(mapped_.data(), mapped_.size(), page_size);
    if (guard) guard_.emplace(std::move(*guard));
}

void LiveTable::begin(std::uint64_t epoch, std::uint64_t key) noexcept {
    key_ = key;
    // The key of the epoch before stays until the next begin(): until the superblock has the new epoch,
    // the entries of the old one count.
    auto* keys = reinterpret_cast<std::atomic<std::uint64_t>*>(mapped_.data());
    keys[epoch % 2].store(key, std::memory_order_release);
}

LiveTable::Entry& LiveTable::entry(std::uint32_t zone) noexcept {
    return *reinterpret_cast<Entry*>(mapped_.data() + page_size +
                                     std::size_t{zone} * live_entry_size);
}

void LiveTable::touch(std::uint32_t zone) noexcept {
    if (works()) entry(zone).word.fetch_or(0, std::memory_order_relaxed);
}

void LiveTable::store(std::uint32_t zone, const ZoneRecord& record) noexcept {
    if (!works()) return;
    auto& at = entry(zone);
    const auto side = (at.word.load(std::memory_order_relaxed) & second_half) ^ second_half;
    at.halves[side] = half_of(record);
    at.word.store(key_ | side, std::memory_order_release);
}

}  // namespace zonebridge::emulated
