// The disks of this host: zoned disks with the transports that reach them, and the other disks with
// the reason why they have no zones.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "transports/zone_facts.h"

namespace zonebridge::tools {

struct ZonedDisk {
    std::string path;
    Zoned zoned = Zoned::host_managed;
    std::string vendor;
    std::string product;
    std::optional<std::uint64_t> size;  ///< Bytes, as is zone_size.
    std::optional<std::uint64_t> zone_size;
    std::optional<std::uint64_t> zone_count;
    /// Names for open_device, one for each transport ("block:/dev/sda"); a plain path means the
    /// first one.
    std::vector<std::string> ways;
    std::string reason;                ///< Why that one is first.
    std::vector<std::string> holders;  ///< From host::holders_of.
    std::string note;                  ///< An explanation of something unusual; mostly empty.
    std::string untold;                ///< What could not be read; mostly empty.
};

struct OtherDisk {
    std::string path;
    std::string reason;
};

struct Disks {
    std::vector<ZonedDisk> zoned;
    std::vector<OtherDisk> others;  ///< Partitions are among them.
};

/// Reads sysfs, which needs no privilege; a disk without a block device has to be opened to learn
/// its sizes.
[[nodiscard]] Disks find_disks();

}  // namespace zonebridge::tools
