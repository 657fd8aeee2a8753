// An open emulated disk: the zone machine, the location of each zone's data, and how much of it is
// durable, all under one lock. The queues' writers and readers move the data; Disk decides where it
// goes, when it counts, and in which order a commit saves it. What is saved belongs to other objects:
// SuperblockPair, ZoneTable and LiveTable.
//
// Threads: safe from any thread, except load(), start() and close(), which belong to the code that
// opens and closes the disk. Lock order: a zone's stripe, then the disk's lock; no thread blocks on
// I/O while it holds the disk's lock.
// Ownership: owns the file, the machine and the committing thread.
//
// Acknowledged. Every change of a zone is in the live table before it is answered, so that it outlives
// this process (live_table.h).
//
// Durability. The table on disk may be ahead of the data that it describes, because one sync covers
// both: a record has the hash of the data that was not known durable when the record was written,
// and load() accepts it only if the data matches (docs/decisions/emulated-disk-format.md).
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

#include "transports/emulated/committer.h"
#include "transports/emulated/file.h"
#include "transports/emulated/format.h"
#include "transports/emulated/ledger.h"
#include "transports/emulated/live_table.h"
#include "transports/emulated/slots.h"
#include "transports/emulated/superblock_pair.h"
#include "transports/emulated/zone_table.h"
#include "zone/limits.h"
#include "zone/machine.h"
#include "zone/request.h"

namespace zonebridge::emulated {

class Disk final : private Machine::Observer, private Committer::Work, private ZoneTable::Records {
  public:
    struct Options {
        bool writable = false;
        /// Another process is writing the disk: use the state that its last commit left.
        bool in_use = false;
        /// Go on without acknowledged data that can't be found any more.
        bool accept_loss = false;
        std::size_t ledger_capacity = 4096;
        /// Data that may accumulate before a commit starts by itself; bounds the data that load()
        /// must verify.
        std::uint64_t commit_after = std::uint64_t{512} << 20;
        std::optional<std::chrono::milliseconds> idle_commit = std::chrono::seconds(1);
    };

    Disk(std::unique_ptr<File> file, std::string path, const FoundSuperblock& found,
         std::unique_ptr<ZeroSource> zeroes, Options options);
    ~Disk();
    Disk(const Disk&) = delete;
    Disk& operator=(const Disk&) = delete;

    // ---- Opening and closing.

    /// Reads the zones' state; after an unclean end determines what is left and, if writable, makes it
    /// durable. If acknowledged data is missing, a writable disk is an error that names it, without
    /// accept_loss, and nothing is changed.
    [[nodiscard]] tl::expected<void, Error> load();
    /// Starts the committing thread. Requires a writable disk; call it once, after load().
    void start();
    /// Makes everything durable and marks the disk clean. No use of the disk may follow.
    [[nodiscard]] tl::expected<void, Error> close();

    [[nodiscard]] const Limits& limits() const noexcept { return limits_; }
    [[nodiscard]] const Superblock& superblock() const noexcept { return superblocks_.newest(); }
    /// Null on a disk opened for reading.
    [[nodiscard]] Committer* committer() noexcept { return committer_ ? &*committer_ : nullptr; }
    [[nodiscard]] File& file() noexcept { return *file_; }
    [[nodiscard]] const ZeroSource& zeroes() const noexcept { return *zeroes_; }
    /// What load() found missing, in words; empty if nothing is.
    [[nodiscard]] const std::string& missing() const noexcept { return missing_; }

    // ---- Writing. The caller holds the zone's stripe from grant to settle.

    [[nodiscard]] std::mutex& stripe(std::uint32_t zone) noexcept {
        return stripes_[zone % stripes_.size()].lock;
    }
    /// Call it before grant(): what may wait for the file system waits here, without the disk's lock.
    void touch(std::uint32_t zone) noexcept { live_.touch(zone); }
    /// Without a live table, a change of a zone outlives this process only when a commit covers it.
    [[nodiscard]] bool answers_after_commit() const noexcept {
        return limits_.layout.zone_count() != 0 && !live_.works();
    }

    /// The place of a write, why it is refused, or what it must wait for.
    struct Grant {
        enum class Wait : std::uint8_t { nothing, commit, reclaim };
        Status status;
        Wait wait = Wait::nothing;
        std::uint64_t offset = 0;   ///< On the disk.
        std::uint64_t file_at = 0;  ///< In the file.
        std::uint64_t gap = 0;      ///< Bytes before it to be zeroed first.
        std::uint64_t room = 0;     ///< Where the zone's space in the file ends: for make_room().
    };
    /// A write or append into one sequential zone; `offset` absent for an append.
    [[nodiscard]] Grant grant(std::uint32_t zone, std::optional<std::uint64_t> offset,
                              std::uint64_t length) noexcept;
    /// Required before a write up to `end` in the file. The file is made longer before data is written
    /// there, in large steps: so a file that somebody shortened is noticed at the latest when a write
    /// would make it longer again. 0 or an errno.
    [[nodiscard]] int make_room(std::uint64_t end) noexcept {
        return end <= data_end_.load(std::memory_order_relaxed) ? 0 : grow(end);
    }
    /// Ends a granted write: `length` bytes at `offset`, including the gap, are in the file and
    /// have `hash`. Also required if `length` is 0.
    [[nodiscard]] Status settle(std::uint32_t zone, std::uint64_t offset, std::uint64_t length,
                                std::uint64_t hash) noexcept;
    /// Discards the written part of [offset, offset + length), which lies in one sequential write
    /// preferred zone. The caller does not hold the zone's stripe.
    [[nodiscard]] Status discard_in_zone(std::uint64_t offset, std::uint64_t length) noexcept;
    /// Does a discard or a write of zeroes in the file; 0 or an errno.
    [[nodiscard]] int clear(const Request& request, std::uint64_t file_at,
                            std::uint64_t length) noexcept;
    /// Marks the disk unclean before its first change.
    [[nodiscard]] Status before_change() noexcept;
    /// Notes a write that the next flush must cover.
    void note_change(std::uint64_t bytes) noexcept;
    /// The same for a write of `bytes` outside sequential zones, up to `end` in the file.
    void note_plain(std::uint64_t end, std::uint64_t bytes) noexcept;
    /// What the file's size was at least, in bytes. A shorter file has lost data.
    [[nodiscard]] std::uint64_t data_end() const noexcept { return data_end_.load(); }
    /// Whether a commit has something to do: there are changes that none has begun to cover, or it will find
    /// that the file has lost data.
    [[nodiscard]] bool needs_commit() noexcept { return changed_.load() || check_size() != 0; }
    /// Where the space for data of the plain area up to `end` ends, for make_room().
    [[nodiscard]] std::uint64_t plain_room(std::uint64_t end) const noexcept;
    /// Whether the next commit will free space that zones released.
    [[nodiscard]] bool space_will_return() noexcept;

    /// The file offset of byte `offset` of a disk without zones, or of a conventional zone.
    [[nodiscard]] std::uint64_t plain_at(std::uint64_t offset) const noexcept {
        return geometry_.plain_offset + offset;
    }
    [[nodiscard]] bool is_plain(std::uint64_t offset) const noexcept {
        return geometry_.layout.zone_count() == 0 ||
               geometry_.layout.is_conventional(geometry_.layout.zone_of(offset));
    }
    /// The same for a range.
    [[nodiscard]] bool is_plain(std::uint64_t offset, std::uint64_t length) const noexcept {
        return is_plain(offset) && is_plain(offset + length - 1);  // conventional zones come first
    }

    // ---- Zone actions and reports.

    /// Returns the number of zones acted on.
    [[nodiscard]] std::uint64_t act(const Request& request, Status& status) noexcept;
    [[nodiscard]] std::size_t report(std::uint64_t offset, std::span<Zone> out) noexcept;

    // ---- Reading.

    /// A range of the disk that is contiguous in the file, or reads as zeroes.
    struct Extent {
        std::uint64_t length = 0;
        std::optional<std::uint64_t> file_at;  ///< Absent: zeroes.
        std::uint32_t zone = 0;
        std::optional<std::uint32_t> slot;
    };
    [[nodiscard]] StatusCode check_read(std::uint64_t offset, std::uint64_t length) noexcept;
    [[nodiscard]] Extent extent_at(std::uint64_t offset, std::uint64_t length) noexcept;
    /// Increases before any slot is punched or reused: data read from an extent is valid if this
    /// did not change meanwhile.
    [[nodiscard]] std::uint64_t reuse_epoch() const noexcept { return reuse_epoch_.load(); }
    /// On a disk opened for reading: whether the extent is still where we know it to be.
    [[nodiscard]] bool still_there(const Extent& extent) const noexcept;

  private:
    struct Stripe {
        std::mutex lock;
        std::optional<std::uint32_t> writing;  // zone between grant and settle; under lock_
    };

    void zone_changed(std::uint32_t zone) noexcept override;
    // commit.cc
    Committer::Ended commit() noexcept override;
    bool reclaim() noexcept override;
    bool wants_commit() noexcept override;
    void take_records(std::uint32_t first, std::span<ZoneRecord> out) noexcept override;

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
    [[nodiscard]] tl::expected<void, Error> repair();
    [[nodiscard]] Superblock next_use() const noexcept;
    [[nodiscard]] Superblock begin_live(const Superblock& next) noexcept;
    void raise_data_end(std::uint64_t end) noexcept;
    [[nodiscard]] int grow(std::uint64_t end) noexcept;
    void store_live(std::uint32_t zone) noexcept;
    // commit.cc
    [[nodiscard]] int check_file() noexcept;
    [[nodiscard]] int check_size() noexcept;
    [[nodiscard]] ZoneRecord record_of(std::uint32_t zone) noexcept;
    [[nodiscard]] int sync_preferred() noexcept;
    void settle_ledger() noexcept;

    const std::unique_ptr<File> file_;
    const std::string path_;
    const std::unique_ptr<ZeroSource> zeroes_;
    const Options options_;
    const std::optional<FileInstance> instance_;
    SuperblockPair superblocks_;
    const Geometry geometry_;
    const Limits limits_;
    bool closed_ = false;
    std::string missing_;

    std::mutex lock_;  // guards the members up to the blank line
    Machine machine_;
    SlotMap slots_;
    Ledger ledger_;
    ZoneTable table_;  // lock_ guards its marks and the encoding
    LiveTable live_;
    std::uint64_t unflushed_ = 0;
    bool loading_ = true;

    std::array<Stripe, 32> stripes_;
    std::mutex first_change_;       // held while the disk is marked unclean
    std::mutex growing_;            // held while the file is made longer
    bool at_largest_size_ = false;  // guarded by growing_
    std::atomic<bool> changed_ = false;
    std::atomic<std::uint64_t> data_end_ = 0;
    std::atomic<bool> cut_off_ = false;  // the file was shorter than that once
    std::atomic<std::uint64_t> reuse_epoch_ = 0;
    std::optional<Committer> committer_;  // last: its thread uses the members above
};

/// Opens the disk in any File, recovers it if necessary, and, if writable, starts committing. A seam
/// inside this folder; users call open() of emulated.h.
[[nodiscard]] tl::expected<std::unique_ptr<Disk>, Error> open_disk(std::unique_ptr<File> file,
                                                                   const std::string& path,
                                                                   Disk::Options options);

}  // namespace zonebridge::emulated
