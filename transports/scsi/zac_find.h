// Whether an ATA disk whose SATL does not translate ZBC has zones, and what it says of them: asked
// by ATA PASS-THROUGH(16).
//
// Threads: a blocking function; any thread.
// Ownership: borrows the port; the result owns all it has.
#pragma once

#include <optional>
#include <string>

#include <tl/expected.hpp>

#include "transports/scsi/discover.h"
#include "transports/scsi/port.h"
#include "zone/status.h"

namespace zonebridge::scsi {

/// Nothing if the disk has no zones a host sees, or if nothing says that it has and it can't be
/// asked. Linux passes ATA commands through for CAP_SYS_RAWIO only: on a disk that says by other
/// ways that it has zones, the error says so. Errors begin with `path`.
[[nodiscard]] tl::expected<std::optional<Zoned>, Error> find_zac(Port& port,
                                                                 const std::string& path);

}  // namespace zonebridge::scsi
