// Disk: reads the zone table, and after an unclean end determines what is durable.
//
// Records written by earlier commits than the newest one found are durable with their data: a
// commit only begins when the one before it is durable. Records of the newest commit may have
// reached the disk without their data, so each is accepted only if its data has the right hash;
// otherwise only its proven part counts.
#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

#include "transports/emulated/block_hash.h"
#include "transports/emulated/disk.h"

namespace zonebridge::emulated {
namespace {

constexpr std::size_t read_piece = 1 << 20;

tl::unexpected<Error> damaged(const std::string& path, std::string_view what) {
    return tl::make_unexpected(
        Error{StatusCode::media_error,
              fmt::format("{} is damaged: {}; restore it from a copy", path, what),
              {}});
}

bool is_open(ZoneState state) noexcept {
    return state == ZoneState::implicit_open || state == ZoneState::explicit_open;
}

}  // namespace

class Disk::Loader {
  public:
    Loader(Disk& disk, bool trusted) : disk_(disk), trusted_(trusted), buffer_(2 * read_piece) {}

    tl::expected<void, Error> run();

  private:
    struct Unproven {
        std::uint32_t zone;
        ZoneRecord record;
    };

    tl::expected<void, Error> read_sectors();
    tl::expected<void, Error> take_sector(std::uint32_t index,
                                          std::span<const std::uint8_t, sector_size> bank_a,
                                          std::span<const std::uint8_t, sector_size> bank_b);
    tl::expected<void, Error> take(std::uint32_t zone, const ZoneRecord& record);
    tl::expected<void, Error> check(std::uint32_t zone, const ZoneRecord& record) const;
    tl::expected<void, Error> place(std::uint32_t zone, const ZoneRecord& record);
    tl::expected<void, Error> settle_unproven(bool proven);
    tl::expected<bool, Error> data_matches(const Unproven& unproven);

    Disk& disk_;
    const bool trusted_;
    std::vector<std::uint8_t> buffer_;
    std::uint64_t file_size_ = 0;
    std::vector<Unproven> unproven_;  // of the newest commit found so far
};

tl::expected<void, Error> Disk::Loader::run() {
    const auto size = disk_.file_->size();
    if (!size)
        return tl::make_unexpected(
            os_failure(size.error(), fmt::format("cannot read {}", disk_.path_)));
    file_size_ = *size;
    const auto needed =
        std::max(disk_.geometry_.plain_offset, trusted_ ? disk_.superblock_.file_size : 0);
    if (file_size_ < needed)
        return damaged(disk_.path_,
                       fmt::format("it is cut off after {}, and at least {} are missing",
                                   in_words(file_size_), in_words(needed - file_size_)));
    if (auto read = read_sectors(); !read) return read;
    return settle_unproven(trusted_);
}

tl::expected<void, Error> Disk::Loader::read_sectors() {
    const auto sectors = disk_.geometry_.table_sectors;
    constexpr auto per_piece = static_cast<std::uint32_t>(read_piece / sector_size);
    for (std::uint32_t first = 0; first < sectors; first += per_piece) {
        const auto count = std::min(per_piece, sectors - first);
        const auto length = count * sector_size;
        for (std::size_t copy = 0; copy < 2; ++copy) {
            const auto into = std::span(buffer_).subspan(copy * read_piece, length);
            if (const auto error = disk_.file_->read_all(
                    into, disk_.geometry_.table_banks[copy] + std::uint64_t{first} * sector_size))
                return tl::make_unexpected(os_failure(
                    error, fmt::format("cannot read the zone table of {}", disk_.path_)));
        }
        for (std::uint32_t i = 0; i < count; ++i) {
            const auto* at = buffer_.data() + i * sector_size;
            if (auto taken = take_sector(
                    first + i, std::span<const std::uint8_t, sector_size>(at, sector_size),
                    std::span<const std::uint8_t, sector_size>(at + read_piece, sector_size));
                !taken)
                return taken;
        }
    }
    return {};
}

tl::expected<void, Error> Disk::Loader::take_sector(
    std::uint32_t index, std::span<const std::uint8_t, sector_size> bank_a,
    std::span<const std::uint8_t, sector_size> bank_b) {
    const auto seed = disk_.superblock_.seed();
    const auto a = decode_sector(bank_a, index, 0, seed);
    const auto b = decode_sector(bank_b, index, 1, seed);
    if (!a && !b)
        return damaged(disk_.path_,
                       fmt::format("both copies of zone table sector {} are unreadable "
                                   "(zones {} and following)",
                                   index, index * records_per_sector));
    const auto use_a = a && (!b || a->generation > b->generation);
    const auto& newer = use_a ? *a : *b;
    const auto bytes = use_a ? bank_a : bank_b;
    if (!a || !b) ++disk_.older_sectors_;
    disk_.generations_[index] = newer.generation;
    if (newer.commit > disk_.commit_) {
        disk_.commit_ = newer.commit;
        if (auto settled = settle_unproven(true); !settled) return settled;
    }
    const auto newest = newer.commit == disk_.commit_;
    const auto first = static_cast<std::uint32_t>(index * records_per_sector);
    const auto count =
        std::min<std::size_t>(records_per_sector, disk_.limits_.layout.zone_count() - first);
    for (std::uint32_t i = 0; i < count; ++i) {
        const auto zone = first + i;
        const auto record = decode_record(bytes, i);
        if (!record)
            return damaged(disk_.path_, fmt::format("the record of zone {} is invalid", zone));
        if (auto checked = check(zone, *record); !checked) return checked;
        // Deferred, because a newer commit may be found that proves this one.
        if (newest && !trusted_ && record->proven != record->written) {
            unproven_.push_back({zone, *record});
            continue;
        }
        if (auto taken = take(zone, *record); !taken) return taken;
    }
    return {};
}

tl::expected<void, Error> Disk::Loader::check(std::uint32_t zone, const ZoneRecord& record) const {
    const auto& layout = disk_.limits_.layout;
    const auto fail = [&](std::string_view what) {
        return damaged(disk_.path_, fmt::format("zone {}: {}", zone, what));
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
    if (record.slot && *record.slot >= disk_.geometry_.slot_count)
        return fail(fmt::format("its data would lie in slot {} of {}", *record.slot,
                                disk_.geometry_.slot_count));
    return {};
}

// Accepts a record and the data that it describes.
tl::expected<void, Error> Disk::Loader::take(std::uint32_t zone, const ZoneRecord& record) {
    if (record.slot && disk_.geometry_.slot_offset(*record.slot) + record.written > file_size_)
        return damaged(disk_.path_, fmt::format("it is cut off within the data of zone {}", zone));
    return place(zone, record);
}

tl::expected<void, Error> Disk::Loader::place(std::uint32_t zone, const ZoneRecord& record) {
    if (disk_.limits_.layout.is_conventional(zone)) return {};
    const auto sector = zone / records_per_sector;
    auto state = record.state;
    if (!trusted_ && is_open(state)) {
        state = record.written == 0 ? ZoneState::empty : ZoneState::closed;
        disk_.dirty_sectors_.set(sector);
    }
    auto placed = disk_.machine_.restore(zone, state, record.written);
    if (!placed && !trusted_ && state == ZoneState::closed) {
        // After a power cut more zones may be active than the limit allows, if a finish or a reset
        // was lost but a later write that relied on it was not. Finish this zone, as a drive would.
        placed = disk_.machine_.restore(zone, ZoneState::full, record.written);
        disk_.dirty_sectors_.set(sector);
    }
    if (!placed)
        return damaged(disk_.path_, fmt::format("zone {} can't be {} with {} written", zone,
                                                to_string(state), in_words(record.written)));
    if (record.slot && !disk_.slots_.adopt(zone, *record.slot))
        return damaged(disk_.path_,
                       fmt::format("zone {} has its data in slot {}, which is another zone's", zone,
                                   *record.slot));
    return {};
}

tl::expected<void, Error> Disk::Loader::settle_unproven(bool proven) {
    for (auto& each : unproven_) {
        if (!proven) {
            const auto matches = data_matches(each);
            if (!matches) return tl::make_unexpected(matches.error());
            if (!*matches) {
                auto& record = each.record;
                record.written = record.proven;
                record.state = record.written == 0 ? ZoneState::empty : ZoneState::closed;
                if (record.written == 0) record.slot.reset();
                disk_.dirty_sectors_.set(each.zone / records_per_sector);
            }
        }
        if (auto taken = take(each.zone, each.record); !taken) return taken;
    }
    unproven_.clear();
    return {};
}

tl::expected<bool, Error> Disk::Loader::data_matches(const Unproven& unproven) {
#ifdef ZONEBRIDGE_BREAK_SKIP_VERIFY
    static_cast<void>(unproven);
    return true;
#endif
    const auto& record = unproven.record;
    const auto block = disk_.limits_.physical_block_size;
    if (record.proven % block != 0 || record.written % block != 0) return false;
    const auto from = disk_.geometry_.slot_offset(*record.slot);
    std::vector<std::uint8_t> data(
        std::min<std::uint64_t>(read_piece, record.written - record.proven));
    std::uint64_t hash = 0;
    for (auto position = record.proven; position < record.written;) {
        const auto piece =
            std::span(data).first(std::min<std::uint64_t>(data.size(), record.written - position));
        const auto error = disk_.file_->read_all(piece, from + position);
        if (error == ENODATA) return false;  // the file never grew that far
        if (error != 0)
            return tl::make_unexpected(os_failure(
                error, fmt::format("cannot read the data of zone {} of {}, which must be checked "
                                   "after an unclean end",
                                   unproven.zone, disk_.path_)));
        hash += hash_blocks(piece, position, block);
        position += piece.size();
    }
    return hash == record.hash;
}

tl::expected<void, Error> Disk::load() {
    const auto trusted = options_.in_use || (superblock_.clean && both_superblocks_);
    if (!trusted && options_.writable) {
        // The state found now must not be lost later: after a kill it may be in memory only.
        if (const auto error = file_->sync())
            return tl::make_unexpected(
                os_failure(error, fmt::format("cannot make {} durable", path_)));
    }
    if (auto loaded = Loader(*this, trusted).run(); !loaded) return loaded;
    if (trusted && !options_.in_use && digest() != superblock_.table_digest)
        return damaged(path_, "its zone table is older than its superblock");
    if (!trusted && options_.writable) return repair();
    return {};
}

// Writes the zones' records as found, under the number of the commit that they come from: if this
// is interrupted, the next load() checks that commit's records again.
tl::expected<void, Error> Disk::repair() {
    const auto failed = [&](int error) {
        return tl::make_unexpected(os_failure(error, fmt::format("cannot repair {}", path_)));
    };
    if (superblock_.clean)
        if (const auto error = write_superblock(false)) return failed(error);
    marked_unclean_ = true;
    if (dirty_sectors_.count() != 0) {
        if (const auto error = write_table(commit_)) return failed(error);
        if (const auto error = file_->sync()) return failed(error);
    }
    discard_leftovers();
    return {};
}

// Discards slots that contain data but belong to no zone: written before the end, or not yet
// punched.
void Disk::discard_leftovers() {
    if (geometry_.slot_count == 0) return;
    auto at = file_->next_data(geometry_.slots_offset);
    while (at) {
        const auto slot = (*at - geometry_.slots_offset) / geometry_.slot_size;
        if (slot >= geometry_.slot_count) return;
        static_cast<void>(slots_.discard(static_cast<std::uint32_t>(slot)));
        at = file_->next_data(geometry_.slot_offset(static_cast<std::uint32_t>(slot + 1)));
    }
}

}  // namespace zonebridge::emulated
