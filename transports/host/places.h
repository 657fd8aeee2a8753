// Where the kernel tells of its devices: a seam inside this folder, so that tests can lay out a
// tree of their own.
//
// Threads: plain values; the functions may be called from any thread.
// Ownership: owns its paths.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

#include <tl/expected.hpp>

#include "transports/host/node.h"

namespace zonebridge::host {

/// The number of the block device that a path leads to; empty if it is none. Never asks a server
/// for it: a dead network mount must not hang us.
[[nodiscard]] std::optional<dev_t> block_number_at(const std::filesystem::path& path);

struct Places {
    std::filesystem::path sysfs = "/sys";
    std::filesystem::path proc = "/proc";
    std::filesystem::path dev = "/dev";
    std::function<std::optional<dev_t>(const std::filesystem::path&)> block_number =
        block_number_at;
};

/// What look_at says of a device node at `path` with this number.
[[nodiscard]] tl::expected<Node, Error> describe(const Places& places, const std::string& path,
                                                 bool block, dev_t number);
[[nodiscard]] std::vector<Node> every_disk(const Places& places);

/// A process that has something open.
struct Opener {
    std::string id;
    std::string program;
    bool writes = false;
};
/// Those whose descriptors (given as paths in `places.proc`) `is_it` says yes to, as far as this
/// process may look.
[[nodiscard]] std::vector<Opener> openers_of(
    const Places& places, const std::function<bool(const std::filesystem::path&)>& is_it);

/// There is something at `path`; false also where that can't be looked at.
[[nodiscard]] bool is_there(const std::filesystem::path& path);
/// The first line of a file without its end and trailing blanks; empty if it can't be read.
[[nodiscard]] std::optional<std::string> first_line(const std::filesystem::path& file);
/// The names in a folder, in order; none if it can't be read.
[[nodiscard]] std::vector<std::string> names_in(const std::filesystem::path& folder);
/// The number that a device's sysfs folder tells ("8:1").
[[nodiscard]] std::optional<dev_t> device_number(const std::filesystem::path& sysfs);
/// The node that belongs to a device's sysfs folder ("/dev/bsg/0:0:0:0").
[[nodiscard]] std::string node_path(const Places& places, const std::filesystem::path& sysfs);

/// Somebody who uses a block device.
struct Holder {
    enum class Kind : unsigned char {
        reader,   ///< Has it open for reading.
        writer,   ///< Has it open for writing, or is a partition.
        mounted,  ///< A file system or swap space, maybe through partitions or other devices.
        stacked,  ///< Another block device made of it.
    };
    Kind kind = Kind::reader;
    std::string words;
    std::optional<std::string> mount_point;  ///< Where, if it is a file system.
};
[[nodiscard]] std::vector<Holder> find_holders(const Places& places, const Node& block);

}  // namespace zonebridge::host
