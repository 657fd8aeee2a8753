// Brings a disk's state from its file into memory, and after an unclean end determines what is
// durable.
//
// Records written by earlier commits than the newest one found are durable with their data: a
// commit only begins when the one before it is durable. Records of the newest commit may have
// reached the disk without their data, so each is accepted only if its data has the right hash;
// otherwise only its proven part counts.
//
// If the process was killed, but the host runs on, the live table has newer records than the zone table.
// Their data was written before they were stored, so only an error of the medium can have lost it.
//
// Threads: belongs to the code that opens the disk.
// Ownership: borrows everything that it reads from and fills.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "transports/emulated/file.h"
#include "transports/emulated/format.h"
#include "transports/emulated/slots.h"
#include "transports/emulated/zone_table.h"
#include "zone/machine.h"

namespace zonebridge::emulated {

/// A zone's record that is not in the zone table, or not yet believed.
struct LiveRecord {
    std::uint32_t zone = 0;
    ZoneRecord record;
};

class Loader {
  public:
    struct Source {
        File& file;
        const std::string& path;  ///< For errors.
        const Geometry& geometry;
        /// The table needs no check: the disk was closed, or another process is writing it.
        bool trusted = false;
        /// Read what is checked from the medium.
        bool from_medium = false;
        /// The host runs since the disk was in use: no data is missing because of a power cut.
        bool same_boot = false;
        /// What the live table has, in the zones' order.
        std::span<const LiveRecord> live;
        std::uint64_t least_size = 0;  ///< The file's least size in bytes.
        std::uint32_t hashed_block_size = 0;
    };

    /// Marks what differs from the file's records in `table`. Requires that nothing has changed
    /// the three objects since their construction.
    Loader(const Source& from, ZoneTable& table, Machine& machine, SlotMap& slots)
        : from_(from), table_(table), machine_(machine), slots_(slots) {}

    [[nodiscard]] tl::expected<void, Error> load();
    /// What load() had to give up, in words: data that was durable or, without a power cut, acknowledged.
    [[nodiscard]] const std::vector<std::string>& losses() const noexcept { return losses_; }
    /// Data that a power cut took, and that was not known to be durable, in words.
    [[nodiscard]] const std::vector<std::string>& unflushed() const noexcept { return unflushed_; }
    /// The end in the file, in bytes, of the data that load() found.
    [[nodiscard]] std::uint64_t data_end() const noexcept { return data_end_; }
    /// Discards slots that contain data but belong to no zone: written before the end, or not yet
    /// punched. Call it after load().
    void discard_leftovers() noexcept;

  private:
    tl::expected<void, Error> take_sector(const ZoneTable::Copy& copy);
    tl::expected<void, Error> take(std::uint32_t zone, const ZoneRecord& record);
    tl::expected<void, Error> take_live(const LiveRecord& live, const ZoneRecord& saved);
    void note_bad_copy(std::uint32_t sector);
    tl::expected<void, Error> check(std::uint32_t zone, const ZoneRecord& record) const;
    tl::expected<void, Error> place(std::uint32_t zone, const ZoneRecord& record);
    tl::expected<void, Error> settle_unproven(bool proven);
    tl::expected<void, Error> settle(LiveRecord each);
    tl::expected<bool, Error> data_matches(const LiveRecord& unproven);
    void give_up(const LiveRecord& record);

    const Source from_;
    ZoneTable& table_;
    Machine& machine_;
    SlotMap& slots_;
    std::uint64_t file_size_ = 0;
    std::size_t next_live_ = 0;         // of from_.live
    std::uint64_t newest_commit_ = 0;   // found so far
    std::vector<LiveRecord> unproven_;  // of that commit
    std::uint64_t data_end_ = 0;
    std::vector<std::string> losses_;
    std::vector<std::string> unflushed_;
};

}  // namespace zonebridge::emulated
