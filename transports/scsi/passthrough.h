// A SCSI disk as a guest's own logical unit: its CDBs go to the disk unchanged, and the disk's
// status, sense and data come back (docs/passthrough.md).
//
// Threads: as zbc/logical_unit.h.
// Ownership: the caller owns the returned disk, which borrows options.refusals.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "transports/device.h"
#include "zbc/logical_unit.h"
#include "zone/limits.h"
#include "zone/refusal.h"
#include "zone/status.h"

namespace zonebridge::scsi {

/// Logs one line; any thread.
using LogLine = void (*)(std::string_view) noexcept;

struct PassthroughOptions {
    bool read_only = false;  ///< Commands that change the disk are refused, and WP is set.
    bool force = false;      ///< As in DeviceOptions.
    DataPath data_path = DataPath::any;
    /// Further commands to let through, each in the form of zbc::Allowed::add.
    std::vector<std::string> allow;
    RefusalSink* refusals = nullptr;  ///< Receives the disk's refusals. May be null.
    LogLine log = nullptr;            ///< Receives refused and undelivered commands.
};

/// A logical unit backed by a passed-through disk.
class PassedDisk : public zbc::LogicalUnit {
  public:
    [[nodiscard]] virtual const Limits& limits() const noexcept = 0;
    [[nodiscard]] virtual const Identity& identity() const noexcept = 0;
    /// Empties the disk's write cache if it was opened for writing. Requires that no queue is open.
    [[nodiscard]] virtual tl::expected<void, Error> close() = 0;
};

/// A disk whose zones are reachable only by ATA pass-through is unsupported; the error suggests
/// --translate.
[[nodiscard]] tl::expected<std::unique_ptr<PassedDisk>, Error> open_passthrough(
    const std::string& path, const PassthroughOptions& options);

}  // namespace zonebridge::scsi
