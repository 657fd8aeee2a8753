// The zone table of an open disk: both copies of its sectors in the file, which copy of each is the
// newest, and which sectors must be written again.
//
// A sector is written over its older copy, under the number of the commit that it belongs to. The
// zones' state is not here: the table asks its Records for it when it writes.
//
// Threads: mark() is guarded by the disk's lock, and write() takes that lock while it encodes, but
// not while it writes. write() has one caller at a time: the code that opens the disk, and then the
// committing thread. find() is safe on a disk opened for reading.
// Ownership: borrows the file and the geometry; owns 8 bytes and a bit for each sector, and its
// buffer. Nothing allocates after construction, except in read().
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "transports/emulated/bitmap.h"
#include "transports/emulated/file.h"
#include "transports/emulated/format.h"
#include "transports/emulated/table_sector.h"

namespace zonebridge::emulated {

class ZoneTable {
  public:
    class Records {
      public:
        /// Fills in the records of the zones from `first` on, under the disk's lock.
        virtual void take_records(std::uint32_t first, std::span<ZoneRecord> out) noexcept = 0;

      protected:
        ~Records() = default;
    };

    /// `seed`: Superblock::seed().
    ZoneTable(File& file, const Geometry& geometry, std::uint64_t seed);

    /// The newer good copy of a sector.
    struct Copy {
        TableSector sector;
        std::span<const std::uint8_t, sector_size> bytes;  ///< For decode_record().
        bool both_good = false;
    };
    using Visit = std::function<tl::expected<void, Error>(const Copy&)>;
    enum class Source : std::uint8_t { file, medium };
    /// Reads every sector, in order, and ends at the first error; its own errors name `path`. Call
    /// it once, before write(). `visit` may mark zones.
    [[nodiscard]] tl::expected<void, Error> read(Source source, const std::string& path,
                                                 const Visit& visit);
    /// The zone's newest record in the file now, where another process may have written it; absent
    /// if it can't be read.
    [[nodiscard]] std::optional<ZoneRecord> find(std::uint32_t zone) const noexcept;

    /// Whether the newest copy of the zone's sector in the file is still the one that read() found.
    [[nodiscard]] bool is_unchanged(std::uint32_t zone) const noexcept;

    /// The zone's sector must be written.
    void mark(std::uint32_t zone) noexcept { dirty_.set(zone / records_per_sector); }
    [[nodiscard]] bool any_marked() const noexcept { return dirty_.count() != 0; }
    /// Writes the marked sectors; 0 or an errno. They are not durable before the next sync. After a
    /// failure, all sectors written since the last sync are marked, and the commit can be written again
    /// under its number.
    [[nodiscard]] int write(std::uint64_t commit, Records& records, std::mutex& lock) noexcept;
    /// What write() wrote is durable.
    void synced() noexcept { unsynced_.clear_all(); }

    /// The newest commit that read() found or write() wrote.
    [[nodiscard]] std::uint64_t newest_commit() const noexcept { return newest_commit_; }
    /// Of all sectors, for a clean superblock.
    [[nodiscard]] std::uint64_t digest() const noexcept;

  private:
    using Bytes = std::span<const std::uint8_t, sector_size>;

    using Banks = std::array<SectorBytes, 2>;
    [[nodiscard]] std::optional<Copy> find_newest(std::uint32_t index, Banks& banks) const noexcept;
    [[nodiscard]] std::optional<Copy> choose(std::uint32_t index, Bytes bank_a,
                                             Bytes bank_b) const noexcept;
    void encode_sector(std::uint32_t index, std::uint64_t commit, Records& records,
                       std::span<std::uint8_t, sector_size> out) const noexcept;

    File& file_;
    const Geometry& geometry_;
    const std::uint64_t seed_;
    Bitmap dirty_;
    Bitmap
        unsynced_;  // written after the last sync: their newest copy may be lost or written again
    std::vector<std::uint64_t> generations_;  // of the newest copy of each sector
    std::vector<std::uint8_t> buffer_;        // of write()
    std::uint64_t newest_commit_ = 0;
};

}  // namespace zonebridge::emulated
