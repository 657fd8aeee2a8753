// Disk: where a write goes, and when it counts.
#include <algorithm>
#include <cerrno>

#include "transports/emulated/disk.h"

namespace zonebridge::emulated {

Disk::Grant Disk::grant(std::uint32_t zone, std::optional<std::uint64_t> offset,
                        std::uint64_t length) noexcept {
    Grant grant;
    bool ask_for_commit = false;
    {
        const std::lock_guard guard(lock_);
        const auto start = limits_.layout.start_of(zone);
        if (offset) {
            grant.offset = *offset;
            grant.status.code = machine_.begin_write(*offset, length);
        } else if (const auto at = machine_.begin_append(start, length)) {
            grant.offset = *at;
        } else {
            grant.status.code = at.error();
        }
        if (!grant.status.ok()) return grant;

        const auto written = written_of(zone);
        auto* entry = ledger_.find(zone);
        if (entry == nullptr) {
            entry = ledger_.add(zone, written);
            if (entry != nullptr) entry->finished = machine_.state(zone) == ZoneState::full;
        }
        if (entry == nullptr) {
            grant.wait = Grant::Wait::commit;
            return grant;
        }
        ask_for_commit = ledger_.count() == ledger_.capacity() - ledger_.capacity() / 4;
        auto slot = slots_.of(zone);
        if (!slot) {
            slot = slots_.allocate(zone);
            if (!slot) {
                if (slots_.awaits_commit())
                    grant.wait = Grant::Wait::commit;
                else
                    grant.status = {StatusCode::no_space, NativeCause::os_error(ENOSPC)};
                return grant;
            }
            // The slot's old data may be unpunched yet; readers of its last owner must notice the
            // change.
            ++reuse_epoch_;
        }
        entry->pinned = true;
        stripes_[zone % stripes_.size()].writing = zone;
        grant.file_at = geometry_.slot_offset(*slot) + (grant.offset - start);
        if (grant.offset - start > written) grant.gap = grant.offset - start - written;
    }
    if (ask_for_commit) committer_->request();
    return grant;
}

Status Disk::settle(std::uint32_t zone, std::uint64_t offset, std::uint64_t length,
                    std::uint64_t hash) noexcept {
    Status status;
    {
        const std::lock_guard guard(lock_);
        stripes_[zone % stripes_.size()].writing.reset();
        auto* entry = ledger_.find(zone);
        entry->pinned = false;
        if (length != 0) {
            // Another zone's write may have closed this zone meanwhile to make room: open it again.
            const auto state = machine_.state(zone);
            if (state != ZoneState::implicit_open && state != ZoneState::explicit_open &&
                state != ZoneState::full)
                status.code = machine_.begin_write(offset, length);
            if (status.ok()) {
                entry->hash += hash;
                machine_.advance(offset, length);
            }
        }
        // This slot has no data: free it, so that the next write tries another.
        if (written_of(zone) == 0) slots_.give_back(zone);
        forget_if_empty(zone);
    }
    if (length != 0) note_change(length);
    return status;
}

Status Disk::discard_in_zone(std::uint64_t offset, std::uint64_t length) noexcept {
    const auto zone = limits_.layout.zone_of(offset);
    // A reset takes it too, so that the slot stays this zone's during the punch.
    const std::lock_guard stripe_guard(stripe(zone));
    std::uint64_t file_at = 0;
    {
        const std::lock_guard guard(lock_);
        const auto start = limits_.layout.start_of(zone);
        const auto end = machine_.written_end(zone);
        const auto slot = slots_.of(zone);
        if (!slot || offset >= end) return {};
        length = std::min(length, end - offset);
        file_at = geometry_.slot_offset(*slot) + (offset - start);
    }
    const auto error = file_->punch(file_at, length);
    return error == 0 ? Status{} : Status{status_of_errno(error), NativeCause::os_error(error)};
}

int Disk::clear(const Request& request, std::uint64_t file_at, std::uint64_t length) noexcept {
    return may_give_back(request) ? file_->punch(file_at, length) : file_->zero(file_at, length);
}

}  // namespace zonebridge::emulated
