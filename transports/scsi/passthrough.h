// A SCSI disk as a guest's own logical unit: its CDBs go to the disk as they are, and status, sense
// and data come back as the disk gave them (docs/passthrough.md).
//
// Threads: as zbc/logical_unit.h.
// Ownership: the caller owns the disk that is returned; it borrows options.refusals.
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

/// Takes one line for whoever watches the server; any thread.
using LogLine = void (*)(std::string_view) noexcept;

struct PassthroughOptions {
    bool read_only = false;  ///< Nothing that changes the disk goes through, and WP is set.
    bool force = false;      ///< As DeviceOptions has it.
    DataPath data_path = DataPath::any;
    /// Commands let through beside those that always are, each as zbc::Allowed::add takes them.
    std::vector<std::string> allow;
    RefusalSink* refusals = nullptr;  ///< Hears of what the disk refuses. May be null.
    LogLine log = nullptr;            ///< Hears of refused commands and of those that went astray.
};

/// A logical unit that is a disk's own.
class PassedDisk : public zbc::LogicalUnit {
  public:
    [[nodiscard]] virtual const Limits& limits() const noexcept = 0;
    [[nodiscard]] virtual const Identity& identity() const noexcept = 0;
    /// Empties the disk's write cache if it was opened for writing; no queue is open.
    [[nodiscard]] virtual tl::expected<void, Error> close() = 0;
};

/// A disk whose zones are reached only by ATA pass-through can't be: unsupported, and the error says
/// --translate.
[[nodiscard]] tl::expected<std::unique_ptr<PassedDisk>, Error> open_passthrough(
    const std::string& path, const PassthroughOptions& options);

}  // namespace zonebridge::scsi
