#include "transports/emulated/disk.h"

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

#include "transports/emulated/last_use.h"
#include "transports/emulated/loader.h"

namespace zonebridge::emulated {
namespace {

constexpr std::uint64_t max_transfer = 4 << 20;
constexpr std::uint32_t max_segments = 1024;  // IOV_MAX
// For clears that a kernel thread does; in zones they are done at once, and block the zone as a
// write does.
constexpr std::uint64_t max_clear = 64 << 20;
constexpr std::uint32_t discard_granularity = 4096;  // a host file system's block

Limits limits_of(const Shape& shape, const Geometry& geometry, bool writable) {
    Limits limits;
    limits.model = shape.model;
    limits.layout = geometry.layout;
    limits.logical_block_size = shape.logical_block_size;
    limits.physical_block_size = shape.physical_block_size;
    limits.max_transfer = max_transfer;
    limits.max_segments = max_segments;
    limits.max_open = shape.max_open;
    limits.max_active = shape.max_active;
    if (shape.model == Model::host_managed) {
        limits.append = Support::native;
        limits.max_append = std::min(max_transfer, geometry.layout.zone_capacity());
    }
    if (shape.model != Model::host_managed) {
        limits.max_discard = shape.model == Model::none ? max_clear : max_transfer;
        limits.max_write_zeroes = limits.max_discard;
        limits.discard_granularity = std::max(discard_granularity, shape.logical_block_size);
        limits.write_zeroes_unmaps = true;
    }
    limits.fua = Support::emulated;
    limits.native_all = ZoneActions::all();
    limits.read_only = !writable;
    return limits;
}

// A few of many, so that the text can be read.
std::string joined(const std::vector<std::string>& parts) {
    constexpr std::size_t most = 4;
    std::string text;
    for (std::size_t i = 0; i < parts.size() && i < most; ++i)
        text += (i == 0 ? "" : "; ") + parts[i];
    if (parts.size() > most) text += fmt::format("; and {} more", parts.size() - most);
    return text;
}

}  // namespace

Disk::Disk(std::unique_ptr<File> file, std::string path, const FoundSuperblock& found,
           std::unique_ptr<ZeroSource> zeroes, Options options)
    : file_(std::move(file)),
      path_(std::move(path)),
      zeroes_(std::move(zeroes)),
      options_(options),
      instance_(file_->instance()),
      superblocks_(*file_, found),
      geometry_(found.superblock.shape, found.superblock.version),
      limits_(limits_of(found.superblock.shape, geometry_, options.writable)),
      machine_(limits_, this),
      slots_(geometry_),
      ledger_(std::min<std::size_t>(options.ledger_capacity,
                                    std::max(geometry_.layout.zone_count(), 1u))),
      table_(*file_, geometry_, found.superblock.seed()),
      live_(*file_, geometry_) {}

Disk::~Disk() {
    if (committer_) committer_->stop();
}

tl::expected<void, Error> Disk::load() {
    // The live table first: of what can't be written out, the page cache may have the only copy.
    const auto use = find_last_use(*file_, live_, superblocks_, instance_, options_.in_use, path_);
    if (!use) return tl::make_unexpected(use.error());
    const auto repairs = !use->closed && options_.writable;
    if (repairs) {
        // The state found now must not be lost later: after a kill it may be in memory only.
        if (const auto error = file_->sync()) {
            superblocks_.note_failure(error);
            return tl::make_unexpected(
                os_failure(error, fmt::format("cannot make {} durable", path_)));
        }
        // What is read from now on is what the medium has.
        file_->drop_cached();
    }
    Loader loader({.file = *file_,
                   .path = path_,
                   .geometry = geometry_,
                   .trusted = use->closed,
                   .from_medium = repairs,
                   .same_boot = use->same_boot,
                   .live = use->live ? std::span<const LiveRecord>(*use->live)
                                     : std::span<const LiveRecord>(),
                   .least_size = use->closed ? superblocks_.newest().file_size : 0,
                   .hashed_block_size = limits_.physical_block_size},
                  table_, machine_, slots_);
    if (auto loaded = loader.load(); !loaded) return loaded;
    raise_data_end(loader.data_end());
    if (options_.writable) live_.map();
    if (use->closed) {
        const auto& newest = superblocks_.newest();
        if (!options_.in_use && table_.digest() != newest.table_digest)
            return damaged(path_, "its zone table is older than its superblock");
        raise_data_end(newest.file_size);
        return {};
    }
    auto losses = use->losses;
    losses.insert(losses.end(), loader.losses().begin(), loader.losses().end());
    if (!losses.empty()) {
        missing_ = "data is missing: " + joined(losses);
        if (options_.writable && !options_.accept_loss)
            return tl::make_unexpected(Error{
                StatusCode::media_error,
                fmt::format("{}: {}. Nothing was changed. Read what is left, for example with "
                            "'zonebridge read', or give --accept-loss to go on without the "
                            "missing data",
                            path_, missing_),
                {}});
    } else if (!use->same_boot && !superblocks_.newest().clean) {
        missing_ =
            "the host stopped while the disk was in use: this is the state of the last flush";
        if (!loader.unflushed().empty()) missing_ += " (" + joined(loader.unflushed()) + ")";
    }
    if (!options_.writable) return {};
    if (auto repaired = repair(); !repaired) return repaired;
    loader.discard_leftovers();
    return {};
}

// Writes the zones' records as found, under the number of the commit that they come from: if this
// is interrupted, the next load() checks that commit's records again. Only then does the next use begin.
tl::expected<void, Error> Disk::repair() {
    const auto failed = [&](int error) {
        return tl::make_unexpected(os_failure(error, fmt::format("cannot repair {}", path_)));
    };
    if (table_.any_marked()) {
        if (const auto error = table_.write(table_.newest_commit(), *this, lock_))
            return failed(error);
        if (const auto error = file_->sync()) return failed(error);
        table_.synced();
    }
    if (const auto error = superblocks_.begin_use(begin_live(next_use()))) return failed(error);
    return {};
}

// The superblock of the use that begins; without the live table if that can't be written after all.
Superblock Disk::begin_live(const Superblock& next) noexcept {
    if (next.live) live_.begin(next.epoch, LiveTable::key_of(next));
    return next_use();
}

Superblock Disk::next_use() const noexcept {
    return superblocks_.next_use(instance_.value_or(FileInstance{}), instance_ && live_.works());
}

void Disk::start() {
    loading_ = false;
    committer_.emplace(static_cast<Committer::Work&>(*this), options_.idle_commit);
}

tl::expected<void, Error> Disk::close() {
    if (!options_.writable || closed_) return {};
    if (!committer_ || !superblocks_.marked_unclean()) {
        closed_ = true;
        return {};
    }
    const auto failed = [&](int error) {
        return tl::make_unexpected(os_failure(
            error, fmt::format("{}: the data written last could not be made durable", path_)));
    };
    if (const auto error = committer_->wait(committer_->request())) return failed(error);
    committer_->stop();
    while (reclaim()) continue;
    if (const auto error = superblocks_.mark_clean(table_.digest())) return failed(error);
    closed_ = true;
    return {};
}

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
                // The next commit begins when the current punch has ended.
                if (slots_.will_free())
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
        grant.room = geometry_.slot_offset(*slot + 1);
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
            if (!is_open(state) && state != ZoneState::full)
                status.code = machine_.begin_write(offset, length);
            if (status.ok()) {
                entry->hash += hash;
                machine_.advance(offset, length);
                raise_data_end(geometry_.slot_offset(*slots_.of(zone)) + written_of(zone));
            }
        }
        // This slot has no data: free it, so that the next write tries another.
        if (written_of(zone) == 0) {
            slots_.give_back(zone);
            forget_if_empty(zone);
            store_live(zone);
        }
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

Status Disk::before_change() noexcept {
    if (committer_)
        if (const auto error = committer_->failure())
            return {StatusCode::io_error, NativeCause::os_error(*error)};
    if (cut_off_.load(std::memory_order_relaxed))
        return {StatusCode::io_error, NativeCause::os_error(EIO)};
    if (superblocks_.marked_unclean()) return {};
    const std::lock_guard guard(first_change_);
    if (superblocks_.marked_unclean()) return {};
    if (const auto error = superblocks_.mark_unclean(begin_live(next_use())))
        return {status_of_errno(error), NativeCause::os_error(error)};
    return {};
}

void Disk::raise_data_end(std::uint64_t end) noexcept {
    auto known = data_end_.load();
    while (known < end && !data_end_.compare_exchange_weak(known, end)) continue;
}

int Disk::grow(std::uint64_t end) noexcept {
    const std::lock_guard guard(growing_);
    if (end <= data_end()) return 0;
    if (const auto error = check_size()) return error;
    // Past the host's largest file size, the write itself shows what is possible. No growing after that:
    // such writes may make the file longer at the same time, and growing would cut it.
    if (at_largest_size_) return 0;
    const auto size = file_->size();
    if (!size) return size.error();
    if (*size < end) {
        const auto error = file_->grow(end);
        at_largest_size_ = error == EFBIG;
        if (error != 0) return at_largest_size_ ? 0 : error;
    }
    raise_data_end(end);
    return 0;
}

std::uint64_t Disk::plain_room(std::uint64_t end) const noexcept {
    constexpr std::uint64_t step = 64 << 20;
    const auto& layout = geometry_.layout;
    const auto limit = layout.zone_count() == 0
                           ? geometry_.plain_offset + limits_.size()
                           : geometry_.plain_offset + layout.start_of(layout.conventional_count());
    return std::min((end + step - 1) / step * step, limit);
}

void Disk::note_plain(std::uint64_t end, std::uint64_t bytes) noexcept {
    if (bytes != 0) raise_data_end(end);
    note_change(bytes);
}

void Disk::note_change(std::uint64_t bytes) noexcept {
    changed_ = true;
    if (bytes == 0) return;
    bool enough = false;
    {
        const std::lock_guard guard(lock_);
        unflushed_ += bytes;
        if (unflushed_ >= options_.commit_after) {
            unflushed_ = 0;
            enough = true;
        }
    }
    if (enough) committer_->request();
}

bool Disk::space_will_return() noexcept {
    const std::lock_guard guard(lock_);
    return slots_.will_free();
}

std::uint64_t Disk::act(const Request& request, Status& status) noexcept {
    status = before_change();
    if (!status.ok()) return 0;
    if (request.scope == Scope::all) {
        for (auto& stripe : stripes_) stripe.lock.lock();
        {
            const std::lock_guard guard(lock_);
            status.code = machine_.act_all(request.operation);
        }
        for (auto& stripe : stripes_) stripe.lock.unlock();
        note_change(0);
        return 0;
    }
    const auto first = limits_.layout.zone_of(request.offset);
    const auto last = limits_.layout.zone_of(request.offset + request.length - 1);
    std::uint64_t done = 0;
    for (auto zone = first; zone <= last && status.ok(); ++zone) {
        const std::lock_guard stripe_guard(stripe(zone));
        touch(zone);
        const std::lock_guard guard(lock_);
        status.code = machine_.act(request.operation, zone);
        if (status.ok()) ++done;
    }
    note_change(0);
    return done;
}

std::size_t Disk::report(std::uint64_t offset, std::span<Zone> out) noexcept {
    // In pieces, so that a report of a million zones does not delay writes.
    constexpr std::size_t piece = 4096;
    std::size_t done = 0;
    while (done < out.size() && offset < limits_.size()) {
        const auto part = out.subspan(done, std::min(piece, out.size() - done));
        const std::lock_guard guard(lock_);
        const auto count = machine_.report(offset, part);
        if (count == 0) break;
        done += count;
        offset = part[count - 1].start + part[count - 1].length;
    }
    return done;
}

StatusCode Disk::check_read(std::uint64_t offset, std::uint64_t length) noexcept {
    if (limits_.layout.zone_count() == 0) return StatusCode::ok;
    const std::lock_guard guard(lock_);
    return machine_.check_read(offset, length);
}

Disk::Extent Disk::extent_at(std::uint64_t offset, std::uint64_t length) noexcept {
    const auto& layout = limits_.layout;
    Extent extent;
    if (layout.zone_count() == 0) {
        extent.length = length;
        extent.file_at = plain_at(offset);
        return extent;
    }
    extent.zone = layout.zone_of(offset);
    if (layout.is_conventional(extent.zone)) {
        const auto end = layout.start_of(layout.conventional_count());
        extent.length = std::min(length, end - offset);
        extent.file_at = plain_at(offset);
        return extent;
    }
    const auto start = layout.start_of(extent.zone);
    const auto end = start + layout.length_of(extent.zone);
    const std::lock_guard guard(lock_);
    const auto written_end = machine_.written_end(extent.zone);
    if (offset < written_end) extent.slot = slots_.of(extent.zone);
    if (extent.slot) {
        extent.length = std::min(length, written_end - offset);
        extent.file_at = geometry_.slot_offset(*extent.slot) + (offset - start);
    } else {
        extent.length = std::min(length, end - offset);
    }
    return extent;
}

bool Disk::still_there(const Extent& extent) const noexcept {
    if (!extent.slot) return true;
    const auto record = table_.find(extent.zone);
    // After a kill, the live table may have another slot than the zone table, until a writer saves it.
    return record && (record->slot == extent.slot || table_.is_unchanged(extent.zone));
}

// Called by the machine, under lock_.
void Disk::zone_changed(std::uint32_t zone) noexcept {
    if (loading_) return;
    table_.mark(zone);
    if (machine_.state(zone) == ZoneState::full &&
        written_of(zone) != limits_.layout.capacity_of(zone))
        if (auto* entry = ledger_.find(zone)) entry->finished = true;
    forget_if_empty(zone);
    store_live(zone);
}

// Under lock_. The record covers all data that is written, durable or not.
void Disk::store_live(std::uint32_t zone) noexcept {
    if (!live_.works() || limits_.layout.is_conventional(zone)) return;
    ZoneRecord record;
    record.state = machine_.state(zone);
    record.written = record.proven = written_of(zone);
    // Data of preferred zones is overwritten in place, so no hash describes it.
    if (const auto* entry = ledger_.find(zone); entry != nullptr && !is_preferred(zone)) {
        record.proven = entry->proven;
        record.hash = entry->hash;
    }
    if (record.written != 0) record.slot = slots_.of(zone);
    live_.store(zone, record);
}

// An empty zone has no data and so no slot: the next write gets a fresh one, and the old slot is
// unchanged until the reset is durable. A zone that is being written keeps its slot, even if the
// machine closed it meanwhile to make room.
void Disk::forget_if_empty(std::uint32_t zone) noexcept {
    if (limits_.layout.is_conventional(zone) || being_written(zone)) return;
    if (written_of(zone) != 0 || is_open(machine_.state(zone))) return;
    slots_.release(zone);
    ledger_.remove(zone);
}

}  // namespace zonebridge::emulated
