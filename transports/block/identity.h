// A block device's identity, from sysfs.
#pragma once

#include <cstdint>
#include <string>

#include "transports/host/node.h"
#include "zone/limits.h"

namespace zonebridge::block {

/// Vendor, product, revision, serial and unique_id of the whole disk `disk`; without a serial or
/// the like, `path` and `size` identify it. For a partition, `path` must be the partition's.
[[nodiscard]] Identity identify(const std::string& path, const host::Node& disk,
                                std::uint64_t size);
/// The same for a plain file.
[[nodiscard]] Identity identify_file(const std::string& path, std::uint64_t size);

}  // namespace zonebridge::block
