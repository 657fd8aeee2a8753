// Disk: one commit, and the work after it.
//
// The order matters. Data is written before the pointer moves, so a record taken under the lock
// never describes data that is not in the file. The table is written after that, and one sync makes
// both durable. Only then do ledger entries advance and freed slots become usable.
#include <algorithm>
#include <cerrno>

#include "transports/emulated/disk.h"

namespace zonebridge::emulated {
namespace {

constexpr std::uint64_t punch_piece = std::uint64_t{1} << 30;

// The state of a zone of which only part of the data counts.
ZoneState state_with_less(std::uint64_t written) noexcept {
    return written == 0 ? ZoneState::empty : ZoneState::closed;
}

}  // namespace

// Under lock_.
ZoneRecord Disk::record_of(std::uint32_t zone) noexcept {
    ZoneRecord record;
    record.state = machine_.state(zone);
    if (limits_.layout.is_conventional(zone)) return record;
    const auto written = written_of(zone);
    record.written = record.proven = written;
    if (auto* entry = ledger_.find(zone)) {
        if (is_preferred(zone)) {
            // Its data may be overwritten in place, which invalidates any hash: the record covers
            // only what sync_preferred() has already made durable.
            record.written = record.proven =
                entry->in_snapshot ? entry->snapshot_written : entry->proven;
            if (record.written != written && !entry->finished)
                record.state = state_with_less(record.written);
        } else {
            record.proven = entry->proven;
            record.hash = entry->hash;
            entry->in_snapshot = true;
            entry->snapshot_written = written;
            entry->snapshot_hash = entry->hash;
        }
    }
    if (record.written != 0) record.slot = slots_.of(zone);
    return record;
}

// Under lock_.
void Disk::encode_sector(std::uint32_t index, std::uint64_t commit,
                         std::span<std::uint8_t, sector_size> out) noexcept {
    std::array<ZoneRecord, records_per_sector> records;
    const auto first = static_cast<std::uint32_t>(index * records_per_sector);
    const auto count =
        std::min<std::size_t>(records_per_sector, limits_.layout.zone_count() - first);
    for (std::uint32_t i = 0; i < count; ++i) records[i] = record_of(first + i);
    encode(TableSector{index, generations_[index], commit}, std::span(records).first(count),
           superblock_.seed(), out);
}

int Disk::write_table(std::uint64_t commit) noexcept {
    struct Run {
        std::uint64_t at = 0;
        std::size_t begin = 0;
        std::size_t end = 0;
    };
    std::array<Run, 128> runs;
    std::optional<std::size_t> index = 0;
    for (;;) {
        std::size_t used = 0;
        std::size_t run_count = 0;
        {
            const std::lock_guard guard(lock_);
            while (used < table_buffer_.size() &&
                   (index = dirty_sectors_.next_set(*index)).has_value()) {
                const auto sector = static_cast<std::uint32_t>((*index)++);
                dirty_sectors_.clear(sector);
                ++generations_[sector];
                const std::span<std::uint8_t, sector_size> out(table_buffer_.data() + used,
                                                               sector_size);
                encode_sector(sector, commit, out);
                const auto at = geometry_.table_sector(sector, generations_[sector]);
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
            if (const auto error = file_->write_all(
                    std::span(table_buffer_).subspan(run.begin, run.end - run.begin), run.at))
                return error;
        if (!index) return 0;
    }
}

int Disk::sync_preferred() noexcept {
    if (limits_.model != Model::host_aware) return 0;
    bool any = false;
    {
        const std::lock_guard guard(lock_);
        ledger_.visit([&](Ledger::Entry& entry) {
            entry.in_snapshot = any = true;
            entry.snapshot_written = written_of(entry.zone);
            dirty_sectors_.set(entry.zone / records_per_sector);
            return true;
        });
    }
    return any ? file_->sync() : 0;
}

void Disk::settle_ledger() noexcept {
    ledger_.visit([&](Ledger::Entry& entry) {
        if (entry.in_snapshot) {
            entry.in_snapshot = false;
            entry.proven = entry.snapshot_written;
            entry.hash -= entry.snapshot_hash;
            entry.snapshot_hash = 0;
        }
        return entry.pinned || entry.proven != written_of(entry.zone);
    });
}

// On the committing thread.
int Disk::commit() noexcept {
    changed_ = false;
    {
        const std::lock_guard guard(lock_);
        // Before any record is taken: a record of this commit may still refer to a slot freed from
        // here on.
        slots_.begin_commit();
        unflushed_ = 0;
    }
    if (const auto error = sync_preferred()) return error;
    if (const auto error = write_table(commit_ + 1)) return error;
#ifndef ZONEBRIDGE_BREAK_SKIP_SYNC
    if (const auto error = file_->sync()) return error;
#endif
    ++commit_;
    const std::lock_guard guard(lock_);
    settle_ledger();
    slots_.end_commit();
    return 0;
}

// On the committing thread, or in close().
bool Disk::reclaim() noexcept {
    std::optional<SlotMap::Run> run;
    {
        const std::lock_guard guard(lock_);
        run = slots_.take_punchable(static_cast<std::uint32_t>(std::clamp<std::uint64_t>(
            punch_piece / std::max<std::uint64_t>(geometry_.slot_size, 1), 1, 65536)));
        if (!run) return false;
        ++reuse_epoch_;
    }
    // A slot that could not be punched only costs space.
    static_cast<void>(
        file_->punch(geometry_.slot_offset(run->first), geometry_.slot_size * run->count));
    const std::lock_guard guard(lock_);
    slots_.punched(*run);
    return slots_.awaits_punch();
}

bool Disk::wants_commit() noexcept {
    const std::lock_guard guard(lock_);
    return slots_.awaits_commit();
}

std::uint64_t Disk::digest() const noexcept {
    std::uint64_t sum = 0;
    for (std::uint32_t i = 0; i < generations_.size(); ++i) sum += digest_part(i, generations_[i]);
    return sum;
}

int Disk::write_superblock(bool clean) noexcept {
    auto next = superblock_;
    next.generation += 1;
    next.clean = clean;
    if (const auto size = file_->size())
        next.file_size = *size;
    else
        return size.error();
    if (clean) next.table_digest = digest();
    const auto sector = encode(next);
    if (const auto error = file_->write_all(sector, (next.generation & 1) * page_size))
        return error;
    if (const auto error = file_->sync()) return error;
    superblock_ = next;
    return 0;
}

}  // namespace zonebridge::emulated
