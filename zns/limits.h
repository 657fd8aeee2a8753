// Turns Identify data and the host's bounds into the model's limits.
#pragma once

#include <cstdint>
#include <optional>

#include "zns/identify.h"
#include "zone/limits.h"

namespace zonebridge::zns {

/// The most that the host's side of the path allows in one command.
struct HostBounds {
    std::uint64_t max_transfer = 0;  ///< Bytes.
    std::uint32_t max_segments = 0;  ///< Buffers.
};

/// Everything but the layout. `zoned` is absent for a namespace without zones; `zasl` is then
/// ignored.
///
/// The unit of MDTS and ZASL is the controller's smallest page, which only its registers tell. It
/// is at least 4 KiB, so 4 KiB is assumed: the result is never more than the controller allows.
[[nodiscard]] Limits limits_of(const Controller& controller, const Namespace& space,
                               const std::optional<ZonedNamespace>& zoned, std::uint8_t zasl,
                               const HostBounds& host);

}  // namespace zonebridge::zns
