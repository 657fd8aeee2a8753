// The bits of a device's status (VIRTIO 1.2, 2.1).
#pragma once

#include <cstdint>

namespace zonebridge::virtio::device_status {

inline constexpr std::uint8_t acknowledge = 1;
inline constexpr std::uint8_t driver = 2;
inline constexpr std::uint8_t driver_ok = 4;
inline constexpr std::uint8_t features_ok = 8;
inline constexpr std::uint8_t needs_reset = 64;
inline constexpr std::uint8_t failed = 128;

}  // namespace zonebridge::virtio::device_status
