// How the last use of a disk ended, as its file tells: closed, killed, or cut off by a restart of the
// host. What could not be made durable, or may be missing, is named.
//
// Threads: belongs to the code that opens the disk.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "transports/emulated/file.h"
#include "transports/emulated/live_table.h"
#include "transports/emulated/loader.h"
#include "transports/emulated/superblock_pair.h"

namespace zonebridge::emulated {

struct LastUse {
    /// The disk was closed, or is in use by another process: the zone table counts.
    bool closed = true;
    /// It was not closed, and the host runs since then.
    bool same_boot = false;
    /// The records in the live table, in the zones' order; absent if they do not count.
    std::optional<std::vector<LiveRecord>> live;
    /// Reasons for which acknowledged data may be missing, in words.
    std::vector<std::string> losses;
};

/// Reads the live table, but nothing else, and changes nothing. `instance`: of the file now. `in_use`: by
/// another process. The error, which names `path`, is for a live table that can't be read.
[[nodiscard]] tl::expected<LastUse, Error> find_last_use(
    File& file, LiveTable& table, const SuperblockPair& superblocks,
    const std::optional<FileInstance>& instance, bool in_use, const std::string& path);

}  // namespace zonebridge::emulated
