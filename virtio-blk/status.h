// The model's statuses in virtio-blk's words.
#pragma once

#include "virtio-blk/wire.h"
#include "zone/status.h"

namespace zonebridge::virtio_blk {

/// How a request of `type` ended, for a driver that accepted feature::zoned (virtio 1.3, 5.2.6.2 and
/// 5.2.6.4). A read-only disk, and what fails below, is an I/O error; what a zone does not allow is an
/// invalid command, but for its three statuses of their own.
[[nodiscard]] RequestStatus zoned_status(StatusCode code, RequestType type) noexcept;

/// The same for one that did not, to which zones do not exist.
[[nodiscard]] RequestStatus plain_status(StatusCode code) noexcept;

}  // namespace zonebridge::virtio_blk
