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

void Disk::take_records(std::uint32_t first, std::span<ZoneRecord> out) noexcept {
    for (auto& record : out) record = record_of(first++);
}

int Disk::sync_preferred() noexcept {
    if (limits_.model != Model::host_aware) return 0;
    bool any = false;
    {
        const std::lock_guard guard(lock_);
        ledger_.visit([&](Ledger::Entry& entry) {
            entry.in_snapshot = any = true;
            entry.snapshot_written = written_of(entry.zone);
            table_.mark(entry.zone);
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

// The file must be the one that was opened, with all its data: a pointer to bytes that are gone must not
// become durable.
int Disk::check_file() noexcept {
    if (const auto error = check_size()) return error;
    if (!file_->has_name() || !superblocks_.is_in_file()) return ESTALE;
    return 0;
}

// From any thread. Data that was cut off does not come back when a later write makes the file longer.
int Disk::check_size() noexcept {
    if (cut_off_.load()) return EIO;
    const auto least = data_end();  // before the size: both grow
    const auto size = file_->size();
    if (!size) return size.error();
    if (*size >= least) return 0;
    cut_off_ = true;
    return EIO;
}

// On the committing thread.
Committer::Ended Disk::commit() noexcept {
    if (const auto error = check_file()) return {error};
    changed_ = false;
    {
        const std::lock_guard guard(lock_);
        // Before any record is taken: a record of this commit may still refer to a slot freed from
        // here on.
        slots_.begin_commit();
        unflushed_ = 0;
    }
    const auto failed_sync = [this](int error) {
        superblocks_.note_failure(error);
        return Committer::Ended{error};
    };
    if (const auto error = sync_preferred()) return failed_sync(error);
    if (const auto error = table_.write(table_.newest_commit() + 1, *this, lock_)) {
        changed_ = true;
        // Nothing was given up: the data is in the file, and the table can be written again.
        return {error, error == ENOSPC || error == EDQUOT};
    }
    if (superblocks_.marked_live() && !live_.works())
        if (const auto error = superblocks_.drop_live()) return failed_sync(error);
#ifndef ZONEBRIDGE_BREAK_SKIP_SYNC
    if (const auto error = file_->sync()) return failed_sync(error);
#endif
    const std::lock_guard guard(lock_);
    table_.synced();
    settle_ledger();
    slots_.end_commit();
    return {};
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

}  // namespace zonebridge::emulated
