// The disks of this host: those with zones and how each can be reached, and why the others have
// none.
//
// Threads: any; every call looks anew.
// Ownership: plain values.
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
    /// Names for open_device, one a transport ("block:/dev/sda"); first the one that a plain path
    /// gets.
    std::vector<std::string> ways;
    std::string reason;                ///< Why that one.
    std::vector<std::string> holders;  ///< As host::holders_of tells them.
    std::string note;                  ///< What may seem strange about it; mostly empty.
    std::string untold;                ///< What could not be looked at; mostly empty.
};

struct OtherDisk {
    std::string path;
    std::string reason;
};

struct Disks {
    std::vector<ZonedDisk> zoned;
    std::vector<OtherDisk> others;  ///< Partitions are among them.
};

/// Reads sysfs, which takes no privilege; a disk without a block device has to be opened to tell
/// its sizes.
[[nodiscard]] Disks find_disks();

}  // namespace zonebridge::tools
