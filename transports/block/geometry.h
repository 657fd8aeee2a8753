// What a block device's sysfs folder and its zone report make of its limits.
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

/// Bytes in one read or write, and buffers in one request: what Linux sends as one bio of whole
/// pages (BIO_MAX_VECS, 256), so that a zoned write reaches the device in one piece or in order.
inline constexpr std::uint64_t max_transfer = std::uint64_t{1} << 20;
inline constexpr std::uint32_t max_segments = 256;

/// The limits of the whole disk `disk` (Node::Kind::block), of `size` bytes. Zones are asked of
/// `zones`. Refused, in words that begin with `path`: zones that make no sense (zone/survey), block
/// sizes that are none, limits that contradict each other. read_only and alignments are left to the
/// caller.
[[nodiscard]] tl::expected<Limits, Error> read_limits(const std::string& path,
                                                      const host::Node& disk, std::uint64_t size,
                                                      ZonePort& zones);

/// Whether the kernel calls it zoned at all; host-aware disks are, up to Linux 6.7.
[[nodiscard]] Model model_of(const host::Node& disk);

}  // namespace zonebridge::block
