// Translates status codes to virtio-blk's.
#pragma once

#include "virtio-blk/wire.h"
#include "zone/status.h"

namespace zonebridge::virtio_blk {

/// The status of a request of `type`, for a driver that accepted feature::zoned (virtio 1.3,
/// 5.2.6.2 and 5.2.6.4). A write to a read-only disk, and an error below, is an I/O error; an
/// operation that the zone does not allow is an invalid command, except for the three statuses for
/// zones.
[[nodiscard]] RequestStatus zoned_status(StatusCode code, RequestType type) noexcept;

/// The same for a driver that did not accept it, for which there are no zones.
[[nodiscard]] RequestStatus plain_status(StatusCode code) noexcept;

}  // namespace zonebridge::virtio_blk
