// From Identify data and what the host can send to the model's limits.
#pragma once

#include <cstdint>
#include <optional>

#include "zns/identify.h"
#include "zone/limits.h"

namespace zonebridge::zns {

/// What the host's side of the path allows in one command.
struct HostBounds {
    std::uint64_t max_transfer = 0;  ///< Bytes.
    std::uint32_t max_segments = 0;  ///< Buffers.
};

/// Everything but the layout. `zoned` is absent for a namespace without zones; then `zasl`
/// does not count.
///
/// MDTS and ZASL count in the controller's smallest page, which only its registers tell; it is at
/// least 4 KiB, and that is what is reckoned with: never more than allowed.
[[nodiscard]] Limits limits_of(const Controller& controller, const Namespace& space,
                               const std::optional<ZonedNamespace>& zoned, std::uint8_t zasl,
                               const HostBounds& host);

}  // namespace zonebridge::zns
