// REPORT ZONES in progress: which zones to ask the disk for next, the reply as it grows in the
// initiator's buffers, and the buffers that the disk's answers need.
//
// The reply is never in memory as a whole, so a long allocation length costs no memory: zones are
// asked for in pieces, and each is written to its place at once. Zones that do not fit are counted:
// in constant time for options that ignore a zone's state, else by a walk over the remaining zones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <sys/uio.h>
#include <vector>

#include "base/iovec.h"
#include "base/ring_buffer.h"
#include "zbc/cdb.h"
#include "zbc/geometry.h"
#include "zbc/logical_unit.h"
#include "zbc/report.h"
#include "zbc/unit.h"
#include "zone/types.h"

namespace zonebridge::zbc {

/// Borrows the Unit, the Geometry and the buffers from begin() on, and allocates nothing.
class ReportRun {
  public:
    struct Next {
        std::uint64_t offset;  ///< In bytes; the zone that holds it comes first.
        std::size_t zones;     ///< No more are of use.
    };

    /// Requires fields.start_lba on the disk; fields.options is `option`.
    void begin(const Unit& unit, const Geometry& geometry, const ReportZones& fields,
               ReportingOption option, std::span<const iovec> data_in) noexcept;

    /// What to ask the disk for; nothing when the reply is complete.
    [[nodiscard]] std::optional<Next> next() const noexcept;

    /// Takes the disk's answer to next(). An answer without zones ends the report.
    void feed(std::span<const Zone> zones) noexcept;

    /// Writes the header, and fills in the task's end.
    void finish(TaskResult& result) noexcept;

  private:
    void list(const ReportedZone& zone) noexcept;

    const Unit* unit_ = nullptr;
    const Geometry* geometry_ = nullptr;
    std::span<const iovec> data_in_;
    IovecCursor writer_;
    ReportZones fields_;
    ReportingOption option_ = ReportingOption::all;
    SameField same_;
    std::uint64_t start_ = 0;   // in bytes
    std::uint64_t next_ = 0;    // in bytes
    std::uint64_t listed_ = 0;  // zones
    std::uint64_t stored_ = 0;  // bytes of the reply, header included
    bool complete_ = false;
    bool overrun_ = false;
};

/// The buffers for the disk's answers. Few reports of a queue run at once, and have a buffer from
/// their first request to their end; the others wait. Belongs to one thread.
class ReportBuffers {
  public:
    /// For a queue of `depth` slots; none for 0.
    explicit ReportBuffers(std::size_t depth);

    /// A free buffer's number; if there is none, the slot waits for one.
    [[nodiscard]] std::optional<std::uint32_t> take(std::uint32_t slot) noexcept;
    /// The slot that has waited longest, and has buffer `number` from now on; nothing if none waits.
    [[nodiscard]] std::optional<std::uint32_t> give_back(std::uint32_t number) noexcept;

    [[nodiscard]] std::span<Zone> zones(std::uint32_t number) noexcept;

  private:
    std::vector<Zone> zones_;
    std::vector<std::uint32_t> free_;    // a stack, never grows
    RingBuffer<std::uint32_t> waiting_;  // slots
};

}  // namespace zonebridge::zbc
