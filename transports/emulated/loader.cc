#include "transports/emulated/loader.h"

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

namespace zonebridge::emulated {
namespace {

constexpr std::size_t read_piece = 1 << 20;

}  // namespace

tl::expected<void, Error> Loader::load() {
    const auto size = from_.file.size();
    if (!size)
        return tl::make_unexpected(
            os_failure(size.error(), fmt::format("cannot read {}", from_.path)));
    file_size_ = *size;
    const auto needed = std::max(from_.geometry.plain_offset, from_.least_size);
    if (file_size_ < needed)
        return damaged(from_.path,
                       fmt::format("it is cut off after {}, and at least {} are missing",
                                   in_words(file_size_), in_words(needed - file_size_)));
    const auto visit = [this](const ZoneTable::Copy& copy) { return take_sector(copy); };
    const auto source = from_.from_medium ? ZoneTable::Source::medium : ZoneTable::Source::file;
    if (auto read = table_.read(source, from_.path, visit); !read) return read;
    return settle_unproven(from_.trusted);
}

tl::expected<void, Error> Loader::take_sector(const ZoneTable::Copy& copy) {
    const auto& sector = copy.sector;
    if (sector.commit > newest_commit_) {
        newest_commit_ = sector.commit;
        if (auto settled = settle_unproven(true); !settled) return settled;
    }
    const auto newest = sector.commit == newest_commit_;
    if (!copy.both_good && !from_.trusted) note_bad_copy(sector.index);
    const auto first = static_cast<std::uint32_t>(sector.index * records_per_sector);
    const auto count =
        std::min<std::size_t>(records_per_sector, from_.geometry.layout.zone_count() - first);
    for (std::uint32_t i = 0; i < count; ++i) {
        const auto zone = first + i;
        const auto record = decode_record(copy.bytes, i);
        if (!record)
            return damaged(from_.path, fmt::format("the record of zone {} is invalid", zone));
        if (next_live_ < from_.live.size() && from_.live[next_live_].zone == zone) {
            if (auto settled = take_live(from_.live[next_live_++], *record); !settled)
                return settled;
            continue;
        }
        if (auto checked = check(zone, *record); !checked) return checked;
        // Deferred, because a newer commit may be found that proves this one.
        if (newest && !from_.trusted && record->proven != record->written) {
            unproven_.push_back({zone, *record});
            continue;
        }
        if (auto taken = take(zone, *record); !taken) return taken;
    }
    return {};
}

tl::expected<void, Error> Loader::check(std::uint32_t zone, const ZoneRecord& record) const {
    const auto& layout = from_.geometry.layout;
    const auto fail = [&](std::string_view what) {
        return damaged(from_.path, fmt::format("zone {}: {}", zone, what));
    };
    if (layout.is_conventional(zone)) {
        if (record != ZoneRecord{ZoneState::not_write_pointer, {}, 0, 0, 0})
            return fail("a conventional zone has the record of another kind");
        return {};
    }
    if (record.written > layout.capacity_of(zone))
        return fail(fmt::format("its write pointer lies {} past its capacity",
                                in_words(record.written - layout.capacity_of(zone))));
    if (record.proven > record.written) return fail("it has more durable data than written data");
    if (record.slot.has_value() != (record.written != 0))
        return fail(record.slot ? "it is empty, but has a slot for data"
                                : "it has data, but no slot for data");
    if (record.slot && *record.slot >= from_.geometry.slot_count)
        return fail(fmt::format("its data would lie in slot {} of {}", *record.slot,
                                from_.geometry.slot_count));
    return {};
}

// The live table is newer than the zone table's record.
tl::expected<void, Error> Loader::take_live(const LiveRecord& live, const ZoneRecord& saved) {
    if (auto checked = check(live.zone, live.record); !checked) return checked;
    if (live.record != saved) table_.mark(live.zone);
    return settle(live);
}

// Every sector has two good copies from the beginning, and a device writes a sector whole or not at all.
void Loader::note_bad_copy(std::uint32_t sector) {
    const auto first = static_cast<std::uint32_t>(sector * records_per_sector);
    const auto last =
        std::min<std::size_t>(first + records_per_sector, from_.geometry.layout.zone_count()) - 1;
    table_.mark(first);  // to be written over the bad copy
    losses_.push_back(
        fmt::format("one copy of zone table sector {} is damaged: zones {} to {} may lack what was "
                    "flushed last",
                    sector, first, last));
}

// Accepts a record and the data that it describes.
tl::expected<void, Error> Loader::take(std::uint32_t zone, const ZoneRecord& record) {
    if (record.slot) {
        const auto end = from_.geometry.slot_offset(*record.slot) + record.written;
        if (end > file_size_)
            return damaged(from_.path,
                           fmt::format("it is cut off within the data of zone {}", zone));
        data_end_ = std::max(data_end_, end);
    }
    return place(zone, record);
}

tl::expected<void, Error> Loader::place(std::uint32_t zone, const ZoneRecord& record) {
    if (from_.geometry.layout.is_conventional(zone)) return {};
    auto state = record.state;
    // After a power cut, as a drive would. To a guest of a killed process, its zones stay open.
    if (!from_.trusted && !from_.same_boot && is_open(state)) {
        state = state_with_less(record.written);
        table_.mark(zone);
    }
    auto placed = machine_.restore(zone, state, record.written);
    if (!placed && !from_.trusted && is_open(state)) {
        state = state_with_less(record.written);
        placed = machine_.restore(zone, state, record.written);
        table_.mark(zone);
    }
    if (!placed && !from_.trusted && state == ZoneState::closed) {
        // After a power cut more zones may be active than the limit allows, if a finish or a reset
        // was lost but a later write that relied on it was not. Finish this zone, as a drive would.
        placed = machine_.restore(zone, ZoneState::full, record.written);
        table_.mark(zone);
    }
    if (!placed)
        return damaged(from_.path, fmt::format("zone {} can't be {} with {} written", zone,
                                               to_string(state), in_words(record.written)));
    if (record.slot && !slots_.adopt(zone, *record.slot))
        return damaged(from_.path,
                       fmt::format("zone {} has its data in slot {}, which is another zone's", zone,
                                   *record.slot));
    return {};
}

tl::expected<void, Error> Loader::settle_unproven(bool proven) {
    for (const auto& each : unproven_) {
        auto taken = proven ? take(each.zone, each.record) : settle(each);
        if (!taken) return taken;
    }
    unproven_.clear();
    return {};
}

// Takes as much of the record as is true of the data.
tl::expected<void, Error> Loader::settle(LiveRecord each) {
    auto& record = each.record;
    if (record.proven != record.written) {
        const auto matches = data_matches(each);
        if (!matches) return tl::make_unexpected(matches.error());
        if (!*matches) {
            give_up(each);
            record.written = record.proven;
            record.state = state_with_less(record.written);
            if (record.written == 0) record.slot.reset();
            table_.mark(each.zone);
        }
    }
    return take(each.zone, record);
}

void Loader::give_up(const LiveRecord& given) {
    const auto start = from_.geometry.layout.start_of(given.zone);
    auto words = fmt::format("zone {} ends at offset {} instead of {}: the data there is ",
                             given.zone, start + given.record.proven, start + given.record.written);
    if (from_.same_boot)
        losses_.push_back(words + "not on the medium");
    else
        unflushed_.push_back(words + "incomplete: it was not flushed, or is damaged");
}

tl::expected<bool, Error> Loader::data_matches(const LiveRecord& unproven) {
#ifdef ZONEBRIDGE_BREAK_SKIP_VERIFY
    static_cast<void>(unproven);
    return true;
#endif
    const auto& record = unproven.record;
    const auto block = from_.hashed_block_size;
    if (record.proven % block != 0 || record.written % block != 0) return false;
    const auto from = from_.geometry.slot_offset(*record.slot);
    std::vector<std::uint8_t> data(
        std::min<std::uint64_t>(read_piece, record.written - record.proven));
    std::uint64_t hash = 0;
    for (auto position = record.proven; position < record.written;) {
        const auto piece =
            std::span(data).first(std::min<std::uint64_t>(data.size(), record.written - position));
        const auto error = from_.from_medium ? from_.file.read_medium(piece, from + position)
                                             : from_.file.read_all(piece, from + position);
        if (error == ENODATA) return false;  // the file never grew that far
        if (error != 0)
            return tl::make_unexpected(os_failure(
                error, fmt::format("cannot read the data of zone {} of {}, which must be checked "
                                   "after an unclean end",
                                   unproven.zone, from_.path)));
        hash += hash_blocks(piece, position, block);
        position += piece.size();
    }
    return hash == record.hash;
}

void Loader::discard_leftovers() noexcept {
    if (from_.geometry.slot_count == 0) return;
    auto at = from_.file.next_data(from_.geometry.slots_offset);
    while (at) {
        const auto slot = (*at - from_.geometry.slots_offset) / from_.geometry.slot_size;
        if (slot >= from_.geometry.slot_count) return;
        static_cast<void>(slots_.discard(static_cast<std::uint32_t>(slot)));
        at = from_.file.next_data(from_.geometry.slot_offset(static_cast<std::uint32_t>(slot + 1)));
    }
}

}  // namespace zonebridge::emulated
