// Brings a disk's state from its file into memory, and after an unclean end determines what is
// durable.
//
// Records written by earlier commits than the newest one found are durable with their data: a
// commit only begins when the one before it is durable. Records of the newest commit may have
// reached the disk without their data, so each is accepted only if its data has the right hash;
// otherwise only its proven part counts.
//
// Threads: belongs to the code that opens the disk.
// Ownership: borrows everything that it reads from and fills.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "transports/emulated/file.h"
#include "transports/emulated/format.h"
#include "transports/emulated/slots.h"
#include "transports/emulated/zone_table.h"
#include "zone/machine.h"

namespace zonebridge::emulated {

class Loader {
  public:
    struct Source {
        File& file;
        const std::string& path;  ///< For errors.
        const Geometry& geometry;
        /// The table needs no check: the disk was closed, or another process is writing it.
        bool trusted = false;
        std::uint64_t least_size = 0;  ///< The file's least size in bytes.
        std::uint32_t hashed_block_size = 0;
    };

    /// Marks what differs from the file's records in `table`. Requires that nothing has changed
    /// the three objects since their construction.
    Loader(const Source& from, ZoneTable& table, Machine& machine, SlotMap& slots)
        : from_(from), table_(table), machine_(machine), slots_(slots) {}

    [[nodiscard]] tl::expected<void, Error> load();
    /// Discards slots that contain data but belong to no zone: written before the end, or not yet
    /// punched. Call it after load().
    void discard_leftovers() noexcept;

  private:
    struct Unproven {
        std::uint32_t zone;
        ZoneRecord record;
    };

    tl::expected<void, Error> take_sector(const ZoneTable::Copy& copy);
    tl::expected<void, Error> take(std::uint32_t zone, const ZoneRecord& record);
    tl::expected<void, Error> check(std::uint32_t zone, const ZoneRecord& record) const;
    tl::expected<void, Error> place(std::uint32_t zone, const ZoneRecord& record);
    tl::expected<void, Error> settle_unproven(bool proven);
    tl::expected<bool, Error> data_matches(const Unproven& unproven);

    const Source from_;
    ZoneTable& table_;
    Machine& machine_;
    SlotMap& slots_;
    std::uint64_t file_size_ = 0;
    std::uint64_t newest_commit_ = 0;  // found so far
    std::vector<Unproven> unproven_;   // of that commit
};

}  // namespace zonebridge::emulated
