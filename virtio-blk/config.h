// A virtio-blk device's configuration space (virtio 1.3, 5.2.4) and feature bits, computed from the
// limits of the disk behind it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "virtio-blk/wire.h"
#include "zone/limits.h"

namespace zonebridge::virtio_blk {

/// The most ranges of a discard or a write of zeroes.
inline constexpr std::uint32_t max_clear_segments = 16;

/// Fields in the units of the standard's structure; those of features that are never offered
/// (SIZE_MAX, geometry, secure erase) are zeroes.
struct Config {
    static constexpr std::size_t size = 96;
    /// Offset of the only byte that a driver may write.
    static constexpr std::size_t writeback_at = 32;

    std::uint64_t capacity = 0;  ///< Sectors.
    std::uint32_t seg_max = 0;   ///< Buffers in a request.
    std::uint32_t block_size = 512;
    std::uint8_t physical_block_exponent = 0;  ///< log2 of logical blocks in a physical one.
    std::uint8_t alignment_offset = 0;
    std::uint16_t min_io_size = 0;  ///< Logical blocks.
    std::uint32_t opt_io_size = 0;
    bool writeback = true;
    std::uint16_t num_queues = 1;

    // All zeroes if they are not offered.
    std::uint32_t max_discard_sectors = 0;  ///< In one segment.
    std::uint32_t max_discard_segments = 0;
    std::uint32_t discard_sector_alignment = 0;
    std::uint32_t max_write_zeroes_sectors = 0;  ///< In one segment.
    std::uint32_t max_write_zeroes_segments = 0;
    bool write_zeroes_may_unmap = false;

    // The zoned characteristics; all zeroes on a disk without zones.
    std::uint32_t zone_sectors = 0;
    std::uint32_t max_open_zones = 0;    ///< 0: no limit.
    std::uint32_t max_active_zones = 0;  ///< 0: no limit.
    std::uint32_t max_append_sectors = 0;
    std::uint32_t write_granularity = 0;  ///< Bytes.
    Model model = Model::none;

    friend bool operator==(const Config&, const Config&) = default;
};
[[nodiscard]] std::array<std::uint8_t, Config::size> encode(const Config& config) noexcept;

/// The disk takes an append of max_append_sectors in seg_max buffers whole: an append can't be split.
/// Buffers may have any length (Limits::any_length): FreeBSD's driver refuses a SIZE_MAX below 1 MiB,
/// and with it Windows' fails every request that has more than one buffer.
[[nodiscard]] Config make_config(const Limits& limits, std::uint16_t queues) noexcept;

/// Ring size for front ends that ask: a ring of this size holds any request that the configuration
/// space allows.
inline constexpr std::uint16_t ring_size = 256;

/// The feature bits of virtio-blk; the caller adds those of rings. Discards and writes of zeroes
/// are not offered on a read-only disk, nor on a host-managed one (virtio 1.3, 5.2.5).
[[nodiscard]] std::uint64_t offered_features(const Limits& limits) noexcept;

}  // namespace zonebridge::virtio_blk
