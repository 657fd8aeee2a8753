// Finds the zones of an ATA disk whose SATL does not translate ZBC, by ATA PASS-THROUGH(16).
//
// Threads: find_zac() blocks; any thread.
// Ownership: borrows the port; the result owns its contents.
#pragma once

#include <optional>
#include <string>

#include <tl/expected.hpp>

#include "transports/scsi/discover.h"
#include "transports/scsi/port.h"
#include "zone/status.h"

namespace zonebridge::scsi {

/// Empty if the disk has no host-visible zones, or if nothing says that it has any and it can't be
/// asked. Linux passes ATA commands through for CAP_SYS_RAWIO only: if the disk otherwise shows
/// that it has zones, the error says so. Errors begin with `path`.
[[nodiscard]] tl::expected<std::optional<Zoned>, Error> find_zac(Port& port,
                                                                 const std::string& path);

}  // namespace zonebridge::scsi
