// The numbers of VIRTIO 1.2 that rings need: the device status (2.1), the feature bits that concern
// rings (6), and the layout of the split virtqueue (2.7).
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace zonebridge::virtio {

static_assert(std::endian::native == std::endian::little,
              "rings are little-endian and are read as they are");

namespace device_status {
inline constexpr std::uint8_t acknowledge = 1;
inline constexpr std::uint8_t driver = 2;
inline constexpr std::uint8_t driver_ok = 4;
inline constexpr std::uint8_t features_ok = 8;
inline constexpr std::uint8_t needs_reset = 64;
inline constexpr std::uint8_t failed = 128;
}  // namespace device_status

namespace feature {
inline constexpr std::uint64_t log_all = 1ull << 26;  ///< VHOST_F_LOG_ALL
inline constexpr std::uint64_t indirect_descriptors = 1ull << 28;
inline constexpr std::uint64_t event_index = 1ull << 29;
inline constexpr std::uint64_t protocol_features = 1ull << 30;  ///< vhost-user only
inline constexpr std::uint64_t version_1 = 1ull << 32;
inline constexpr std::uint64_t access_platform = 1ull << 33;
inline constexpr std::uint64_t ring_packed = 1ull << 34;
inline constexpr std::uint64_t in_order = 1ull << 35;
}  // namespace feature

struct Descriptor {
    std::uint64_t address;
    std::uint32_t length;
    std::uint16_t flags;
    std::uint16_t next;
};
static_assert(sizeof(Descriptor) == 16);

namespace descriptor_flag {
inline constexpr std::uint16_t next = 1;
inline constexpr std::uint16_t write = 2;
inline constexpr std::uint16_t indirect = 4;
}  // namespace descriptor_flag

struct UsedElement {
    std::uint32_t id;
    std::uint32_t length;
};
static_assert(sizeof(UsedElement) == 8);

/// The largest ring (VIRTIO 1.2, 2.7): a power of two.
inline constexpr std::uint16_t max_ring_size = 32768;

/// Offsets and lengths in bytes of the three parts. The available ring is le16 flags, idx,
/// ring[size], used_event; the used ring le16 flags, idx, then size elements, le16 avail_event.
inline constexpr std::size_t ring_flags_offset = 0;
inline constexpr std::size_t ring_index_offset = 2;
inline constexpr std::size_t ring_entries_offset = 4;

[[nodiscard]] constexpr std::size_t descriptor_table_bytes(std::uint16_t size) noexcept {
    return sizeof(Descriptor) * size;
}
[[nodiscard]] constexpr std::size_t available_ring_bytes(std::uint16_t size) noexcept {
    return 6 + 2 * std::size_t{size};
}
[[nodiscard]] constexpr std::size_t used_ring_bytes(std::uint16_t size) noexcept {
    return 6 + sizeof(UsedElement) * size;
}

/// Whether to notify the other side, which asked for that when the index passes `event`: the index
/// just went from `before` to `now` (VIRTIO 1.2, 2.7.7.1).
[[nodiscard]] constexpr bool event_passed(std::uint16_t event, std::uint16_t now,
                                          std::uint16_t before) noexcept {
    return static_cast<std::uint16_t>(now - event - 1) < static_cast<std::uint16_t>(now - before);
}

}  // namespace zonebridge::virtio
