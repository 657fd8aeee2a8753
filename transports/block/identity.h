// Who a block device says it is, as sysfs tells it.
//
// Ownership: plain values.
#pragma once

#include <cstdint>
#include <string>

#include "transports/host/node.h"
#include "zone/limits.h"

namespace zonebridge::block {

/// Vendor, product, revision, serial and unique_id of the whole disk `disk`; `path` and `size` name
/// it where it has nothing better. A partition's path has to be given for that.
[[nodiscard]] Identity identify(const std::string& path, const host::Node& disk,
                                std::uint64_t size);
/// The same for a plain file.
[[nodiscard]] Identity identify_file(const std::string& path, std::uint64_t size);

}  // namespace zonebridge::block
