// One REPORT ZONES on its way: which zones to ask the disk for next, and the reply as it grows in
// the initiator's buffers.
//
// Threads: belongs to whoever runs it.
// Ownership: borrows the Unit, the Geometry and the buffers from begin() on. It allocates nothing.
//
// The reply is never held as a whole, so an allocation length costs nothing: zones are asked for in
// pieces and each goes straight to its place. What does not fit is counted, in constant time for
// options that do not look at a zone's state, otherwise by going through the remaining zones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <sys/uio.h>

#include "base/iovec.h"
#include "zbc/cdb.h"
#include "zbc/geometry.h"
#include "zbc/logical_unit.h"
#include "zbc/report.h"
#include "zbc/unit.h"
#include "zone/types.h"

namespace zonebridge::zbc {

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

    /// Takes what the disk answered to next(). No zones end the report.
    void feed(std::span<const Zone> zones) noexcept;

    /// Writes the header and says how the task ended.
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

}  // namespace zonebridge::zbc
