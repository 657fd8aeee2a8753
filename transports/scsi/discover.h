// Finds out what a SCSI disk is by asking it through a port, and checks that its answers are
// consistent.
//
// Threads: discover() blocks; any thread.
// Ownership: borrows the port; the result owns its contents.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <tl/expected.hpp>

#include "transports/scsi/dialect.h"
#include "transports/scsi/port.h"
#include "zone/limits.h"
#include "zone/status.h"

namespace zonebridge::scsi {

/// A disk's zones and the dialect for them.
struct Zoned {
    std::unique_ptr<Dialect> dialect;
    Model model = Model::host_managed;
    std::string words;  ///< "ZBC", "ZAC by ATA PASS-THROUGH(16)"; for Identity::data_path.
    bool reads_past_pointer = false;
    std::optional<std::uint32_t> max_open = std::nullopt;
    /// Set if the dialect's own commands differ from READ CAPACITY, VPD and mode pages.
    std::optional<bool> fua = std::nullopt;
    std::optional<std::uint32_t> max_transfer_blocks = std::nullopt;
};

/// Looks for zones on an ATA disk whose SATL does not translate ZBC; empty if there are none. The
/// error begins with `path`.
using FindZac = tl::expected<std::optional<Zoned>, Error> (*)(Port& port, const std::string& path);
/// By ATA PASS-THROUGH(16) (discover_zac.cc). Empty also if nothing says that the disk has zones and
/// it can't be asked. Linux passes ATA commands through for CAP_SYS_RAWIO only: if the disk
/// otherwise shows that it has zones, the error says so.
[[nodiscard]] tl::expected<std::optional<Zoned>, Error> find_zac(Port& port,
                                                                 const std::string& path);

struct DiscoverOptions {
    std::uint64_t host_max_transfer = 0;  ///< Bytes the host can move in one command.
    std::uint32_t max_segments = 1;
    FindZac find_zac = nullptr;  ///< Called for ATA disks (vendor "ATA", VPD page 89h, type 00h).
};

struct DiskFacts {
    Limits limits;      ///< read_only is what the disk reports: write-protected.
    Identity identity;  ///< The caller sets path, transport and reason.
    std::unique_ptr<Dialect> dialect;
    std::string words;                ///< Zoned::words; "SCSI" for a disk without zones.
    bool lists_block_limits = false;  ///< VPD page 00h lists B0h.
    std::uint8_t peripheral = 0;      ///< Byte 0 of its INQUIRY data.
};

/// Errors begin with `path` and have the disk's answer, with its sense data in words.
[[nodiscard]] tl::expected<DiskFacts, Error> discover(Port& port, const std::string& path,
                                                      const DiscoverOptions& options);

}  // namespace zonebridge::scsi
