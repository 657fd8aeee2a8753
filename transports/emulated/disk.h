// An open emulated disk: the zone machine, where each zone's data lies, and what is durable of it.
// The queues' writers and readers move the data; this decides where it goes and when it counts.
//
// Threads: safe from any thread, but load(), start() and close(), which belong to whoever opens
// and closes it. Lock order: a zone's stripe, then the disk's lock; nobody blocks on I/O under the
// latter.
// Ownership: owns the file, the machine and the committing thread.
//
// Durability. The table on disk may be ahead of the data it speaks of, because one sync covers
// both: a record carries the hash of what was not known durable when it was written, and load()
// believes it only if the data matches. docs/decisions/emulated-disk-format.md has the reasoning.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "transports/emulated/bitmap.h"
#include "transports/emulated/committer.h"
#include "transports/emulated/file.h"
#include "transports/emulated/format.h"
#include "transports/emulated/ledger.h"
#include "transports/emulated/slots.h"
#include "transports/emulated/table.h"
#include "zone/limits.h"
#include "zone/machine.h"
#include "zone/request.h"

namespace zonebridge::emulated {

class Disk final : private Machine::Observer, private Committer::Work {
  public:
    struct Options {
        bool writable = false;
        /// Another process writes the disk meanwhile: take what its last commit left, as it is.
        bool in_use = false;
        std::size_t ledger_capacity = 4096;
        /// Data that may pile up before a commit starts by itself; bounds what load() must verify.
        std::uint64_t commit_after = std::uint64_t{512} << 20;
        std::optional<std::chrono::milliseconds> idle_commit = std::chrono::seconds(1);
    };

    Disk(std::unique_ptr<File> file, std::string path, const FoundSuperblock& found,
         std::unique_ptr<ZeroSource> zeroes, Options options);
    ~Disk();
    Disk(const Disk&) = delete;
    Disk& operator=(const Disk&) = delete;

    // ---- Opening and closing (load.cc, disk.cc).

    /// Reads the zone table; after an unclean end finds what is durable and, if writable, repairs.
    [[nodiscard]] tl::expected<void, Error> load();
    /// Begins committing; only on a writable disk, once, after load().
    void start();
    /// Makes everything durable and marks the disk clean. Nothing may use it any more.
    [[nodiscard]] tl::expected<void, Error> close();

    [[nodiscard]] const Limits& limits() const noexcept { return limits_; }
    [[nodiscard]] const Superblock& superblock() const noexcept { return superblock_; }
    /// Null on a disk opened for reading.
    [[nodiscard]] Committer* committer() noexcept { return committer_ ? &*committer_ : nullptr; }
    [[nodiscard]] File& file() noexcept { return *file_; }
    [[nodiscard]] const ZeroSource& zeroes() const noexcept { return *zeroes_; }
    /// Table sectors that were read from their older copy, the newer being damaged.
    [[nodiscard]] std::uint32_t older_sectors() const noexcept { return older_sectors_; }

    // ---- Writing (write.cc). The caller holds the zone's stripe from grant to settle.

    [[nodiscard]] std::mutex& stripe(std::uint32_t zone) noexcept {
        return stripes_[zone % stripes_.size()].lock;
    }

    /// Where a write goes, or why it does not, or what it must wait for.
    struct Grant {
        enum class Wait : std::uint8_t { nothing, commit, reclaim };
        Status status;
        Wait wait = Wait::nothing;
        std::uint64_t offset = 0;   ///< On the disk.
        std::uint64_t file_at = 0;  ///< In the file.
        std::uint64_t gap = 0;      ///< Bytes before it to be zeroed first.
    };
    /// A write or append into one sequential zone; `offset` absent for an append.
    [[nodiscard]] Grant grant(std::uint32_t zone, std::optional<std::uint64_t> offset,
                              std::uint64_t length) noexcept;
    /// Ends what was granted: `length` bytes at `offset`, the gap included, are in the file and
    /// have `hash`. Also needed if that is 0.
    [[nodiscard]] Status settle(std::uint32_t zone, std::uint64_t offset, std::uint64_t length,
                                std::uint64_t hash) noexcept;
    /// Discards what was written of [offset, offset + length), which lies in one sequential write
    /// preferred zone. The caller does not hold the zone's stripe.
    [[nodiscard]] Status discard_in_zone(std::uint64_t offset, std::uint64_t length) noexcept;
    /// What a discard or a write of zeroes does to the file; 0 or an errno.
    [[nodiscard]] int clear(const Request& request, std::uint64_t file_at,
                            std::uint64_t length) noexcept;
    /// Marks the disk unclean before its first change.
    [[nodiscard]] Status before_change() noexcept;
    /// Something was written that the next flush must cover.
    void note_change(std::uint64_t bytes) noexcept;
    /// Whether anything was changed that no commit has begun to cover.
    [[nodiscard]] bool changed() const noexcept { return changed_.load(); }
    /// Whether space that zones gave up will come back with the next commit.
    [[nodiscard]] bool space_will_return() noexcept;

    /// Where byte `offset` of a disk without zones, or of a conventional zone, lies.
    [[nodiscard]] std::uint64_t plain_at(std::uint64_t offset) const noexcept {
        return geometry_.plain_offset + offset;
    }
    [[nodiscard]] bool is_plain(std::uint64_t offset) const noexcept {
        return geometry_.layout.zone_count() == 0 ||
               geometry_.layout.is_conventional(geometry_.layout.zone_of(offset));
    }
    /// The same for a range.
    [[nodiscard]] bool is_plain(std::uint64_t offset, std::uint64_t length) const noexcept {
        return is_plain(offset) && is_plain(offset + length - 1);  // conventional zones lead
    }

    // ---- Zone actions and reports (disk.cc).

    /// Returns the number of zones acted on.
    [[nodiscard]] std::uint64_t act(const Request& request, Status& status) noexcept;
    [[nodiscard]] std::size_t report(std::uint64_t offset, std::span<Zone> out) noexcept;

    // ---- Reading (read.cc).

    /// A stretch of the disk that lies in one piece, or reads as zeroes.
    struct Extent {
        std::uint64_t length = 0;
        std::optional<std::uint64_t> file_at;  ///< Absent: zeroes.
        std::uint32_t zone = 0;
        std::optional<std::uint32_t> slot;
    };
    [[nodiscard]] StatusCode check_read(std::uint64_t offset, std::uint64_t length) noexcept;
    [[nodiscard]] Extent extent_at(std::uint64_t offset, std::uint64_t length) noexcept;
    /// Grows before any slot is punched or given out again: what was read from an extent holds if
    /// this did not change meanwhile.
    [[nodiscard]] std::uint64_t reuse_epoch() const noexcept { return reuse_epoch_.load(); }
    /// On a disk opened for reading: whether the writer still has the extent where we know it.
    [[nodiscard]] bool still_there(const Extent& extent) noexcept;

  private:
    struct Stripe {
        std::mutex lock;
        std::optional<std::uint32_t> writing;  // zone between grant and settle; under lock_
    };
    class Loader;

    void zone_changed(std::uint32_t zone) noexcept override;
    int commit() noexcept override;
    bool reclaim() noexcept override;
    bool wants_commit() noexcept override;

    [[nodiscard]] bool being_written(std::uint32_t zone) noexcept {
        return stripes_[zone % stripes_.size()].writing == zone;
    }
    void forget_if_empty(std::uint32_t zone) noexcept;
    [[nodiscard]] bool is_preferred(std::uint32_t zone) const noexcept {
        return limits_.layout.type_of(zone) == ZoneType::sequential_write_preferred;
    }
    [[nodiscard]] std::uint64_t written_of(std::uint32_t zone) const noexcept {
        return machine_.written_end(zone) - limits_.layout.start_of(zone);
    }
    // commit.cc
    [[nodiscard]] ZoneRecord record_of(std::uint32_t zone) noexcept;
    void encode_sector(std::uint32_t index, std::uint64_t commit,
                       std::span<std::uint8_t, sector_size> out) noexcept;
    [[nodiscard]] int write_table(std::uint64_t commit) noexcept;
    [[nodiscard]] int sync_preferred() noexcept;
    void settle_ledger() noexcept;
    [[nodiscard]] int write_superblock(bool clean) noexcept;
    [[nodiscard]] std::uint64_t digest() const noexcept;
    // load.cc
    [[nodiscard]] tl::expected<void, Error> repair();
    void discard_leftovers();

    std::unique_ptr<File> file_;
    const std::string path_;
    Superblock superblock_;
    const bool both_superblocks_;
    const std::unique_ptr<ZeroSource> zeroes_;
    const Options options_;
    const Geometry geometry_;
    const Limits limits_;

    std::mutex lock_;  // guards all up to the blank line
    Machine machine_;
    SlotMap slots_;
    Ledger ledger_;
    Bitmap dirty_sectors_;
    std::vector<std::uint64_t> generations_;  // of the newest copy of each table sector
    std::uint64_t unflushed_ = 0;
    bool loading_ = true;

    std::array<Stripe, 32> stripes_;
    std::uint64_t commit_ = 0;  // the newest in the table; the committing thread's own
    std::vector<std::uint8_t> table_buffer_;
    std::atomic<bool> changed_ = false;
    std::atomic<bool> marked_unclean_ = false;
    std::mutex mark_lock_;
    std::atomic<std::uint64_t> reuse_epoch_ = 0;
    std::uint32_t older_sectors_ = 0;
    bool closed_ = false;
    std::optional<Committer> committer_;
};

}  // namespace zonebridge::emulated
