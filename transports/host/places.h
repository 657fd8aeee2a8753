// Where the kernel publishes its devices: a seam inside this folder, so that tests can use a tree
// of their own.
//
// Threads: the functions may be called from any thread.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace zonebridge::host {

/// The number of the block device at `path`; empty if it is not one. Never asks a server: a dead
/// network mount must not block.
[[nodiscard]] std::optional<dev_t> block_number_at(const std::filesystem::path& path);

struct Places {
    std::filesystem::path sysfs = "/sys";
    std::filesystem::path proc = "/proc";
    std::filesystem::path dev = "/dev";
    std::function<std::optional<dev_t>(const std::filesystem::path&)> block_number =
        block_number_at;
};

/// A process that has something open.
struct Opener {
    std::string id;
    std::string program;
    bool writes = false;
};
/// The processes with a descriptor (a path in `places.proc`) that `is_it` accepts, as far as this
/// process may see them.
[[nodiscard]] std::vector<Opener> openers_of(
    const Places& places, const std::function<bool(const std::filesystem::path&)>& is_it);

/// Whether `path` exists; false also if that can't be determined.
[[nodiscard]] bool is_there(const std::filesystem::path& path);
/// The first line of a file without its end and trailing blanks; empty if it can't be read.
[[nodiscard]] std::optional<std::string> first_line(const std::filesystem::path& file);
/// The names in a folder, sorted; none if it can't be read.
[[nodiscard]] std::vector<std::string> names_in(const std::filesystem::path& folder);
/// The number in a device's sysfs folder ("8:1").
[[nodiscard]] std::optional<dev_t> device_number(const std::filesystem::path& sysfs);
/// The node of a device's sysfs folder ("/dev/bsg/0:0:0:0").
[[nodiscard]] std::string node_path(const Places& places, const std::filesystem::path& sysfs);

}  // namespace zonebridge::host
