// The live table: what each zone is now, in a part of the file that is mapped. The kernel keeps such
// memory when the process is killed, so the next process finds there every change that was acknowledged,
// at the cost of a few stores for each write and no system call. After a power cut it is worth nothing,
// because its pages reach the medium at any time; then the zone table counts.
//
//   0      a page with the keys of the last two epochs: the disk was in use with this table
//   4096   an entry for each zone
//
// Numbers are in the host's byte order: another host never reads them. An entry holds two halves and a
// word that says which of them counts. A change fills the other half and then stores the word, so death
// between any two stores leaves the old record or the new one.
//
// Threads: touch() is safe from any thread. The rest is guarded by the disk's lock, or belongs to the
// code that opens the disk.
// Ownership: borrows the file, which owns the mapped memory.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>

#include <tl/expected.hpp>

#include "base/sigbus.h"
#include "transports/emulated/file.h"
#include "transports/emulated/format.h"
#include "transports/emulated/table_sector.h"

namespace zonebridge::emulated {

class LiveTable {
  public:
    LiveTable(File& file, const Geometry& geometry) : file_(file), geometry_(geometry) {}

    /// Identifies the entries of one use of the disk: of its uuid, epoch and instance.
    [[nodiscard]] static std::uint64_t key_of(const Superblock& superblock) noexcept;

    // ---- Reading what an earlier process left. Needs no map().

    /// Whether the table was in use under this key; an errno if it can't be read.
    [[nodiscard]] tl::expected<bool, int> was_used(std::uint64_t key) noexcept;
    /// Calls `visit` for each zone that changed under this key, in order. A record's `proven` bytes were
    /// durable before it was stored. 0 or an errno.
    [[nodiscard]] int read(std::uint64_t key,
                           const std::function<void(std::uint32_t, const ZoneRecord&)>& visit);

    // ---- Writing.

    /// Maps the table. Without a table, or without shared mappings, works() stays false.
    void map();
    /// Whether what store() stored is in the file. False for ever after a page of the table was lost:
    /// the file system had no space for it, or could not read it.
    [[nodiscard]] bool works() const noexcept { return guard_ && !guard_->broken(); }
    /// Entries are stored under this key from now on. Call it before the superblock has the epoch of the
    /// key. Requires works(). May be called again.
    void begin(std::uint64_t epoch, std::uint64_t key) noexcept;
    /// Brings the zone's page into memory, so that store() seldom waits for the file system. Call it
    /// without the disk's lock.
    void touch(std::uint32_t zone) noexcept;
    /// Requires begin().
    void store(std::uint32_t zone, const ZoneRecord& record) noexcept;

  private:
    struct Entry;

    [[nodiscard]] Entry& entry(std::uint32_t zone) noexcept;

    File& file_;
    const Geometry& geometry_;
    std::span<std::byte> mapped_;
    std::optional<SigbusRange> guard_;
    std::uint64_t key_ = 0;
};

}  // namespace zonebridge::emulated
