// Derives a block device's limits and identity from its sysfs folder and its zone report.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <tl/expected.hpp>

#include "transports/block/zones.h"
#include "transports/host/node.h"
#include "zone/limits.h"
#include "zone/status.h"

namespace zonebridge::block {

/// The most bytes of one read or write, and buffers of one request: what Linux sends as one bio of
/// whole pages (BIO_MAX_VECS, 256), so that a zoned write reaches the device in one piece or in
/// order.
inline constexpr std::uint64_t max_transfer = std::uint64_t{1} << 20;
inline constexpr std::uint32_t max_segments = 256;

/// The limits of the whole disk `disk` (Node::Kind::block), of `size` bytes. Reads the zones
/// through `zones`. Refused, with a message that begins with `path`: inconsistent zones
/// (zone/survey), invalid block sizes, limits that contradict each other. The caller sets read_only
/// and alignments.
[[nodiscard]] tl::expected<Limits, Error> read_limits(const std::string& path,
                                                      const host::Node& disk, std::uint64_t size,
                                                      ZonePort& zones);

/// The kernel's zone model of the disk; up to Linux 6.7 that includes host-aware.
[[nodiscard]] Model model_of(const host::Node& disk);

/// Vendor, product, revision, serial and unique_id of the whole disk `disk`; without a serial or
/// the like, `path` and `size` identify it. For a partition, `path` must be the partition's.
[[nodiscard]] Identity identify(const std::string& path, const host::Node& disk,
                                std::uint64_t size);
/// The same for a plain file.
[[nodiscard]] Identity identify_file(const std::string& path, std::uint64_t size);

}  // namespace zonebridge::block
