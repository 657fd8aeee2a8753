// Opens a disk in any File. A seam inside this folder; users call open() of emulated.h.
#pragma once

#include <memory>
#include <string>

#include "transports/emulated/disk.h"

namespace zonebridge::emulated {

/// Reads the superblock; the error names `path`.
[[nodiscard]] tl::expected<FoundSuperblock, Error> read_superblock(File& file,
                                                                   const std::string& path);

/// Opens the disk, recovers it if necessary, and, if writable, starts committing.
[[nodiscard]] tl::expected<std::unique_ptr<Disk>, Error> open_disk(std::unique_ptr<File> file,
                                                                   const std::string& path,
                                                                   Disk::Options options);

}  // namespace zonebridge::emulated
