// Identifies a path from the kernel and sysfs: a file, or one of a disk's nodes, with the names of
// the disk's other nodes.
//
// Threads: any; every call reads the current state.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

#include <tl/expected.hpp>

#include "zone/status.h"

namespace zonebridge::host {

struct Places;  // transports/host/places.h

struct Node {
    enum class Kind : std::uint8_t {
        file,          ///< A regular file.
        block,         ///< /dev/sda, /dev/nvme0n1, /dev/nullb0, /dev/dm-0
        sg,            ///< /dev/sg0
        bsg,           ///< /dev/bsg/0:0:0:0
        nvme_generic,  ///< /dev/ng0n1
        other,         ///< Can't be a disk.
    };

    Kind kind = Kind::other;
    std::string path;             ///< As the caller named it.
    std::string name;             ///< The kernel's name: "sda", "sg0", "0:0:0:0", "ng0n1"; "" for
                                  ///< files.
    dev_t number = 0;             ///< The device's own number.
    std::filesystem::path sysfs;  ///< Its folder below /sys/devices; may be empty for non-disks.
    std::string words;            ///< "a directory", "a block device": for messages.
    /// Set for a partition: the whole disk's node ("/dev/sda").
    std::optional<std::string> partition_of;

    // The nodes of the same disk ("/dev/sda"), including this one if it is one of them. Without
    // block devices that the kernel hides (a namespace whose zones it can't handle).
    std::optional<std::string> block;
    std::optional<std::string> sg;
    std::optional<std::string> bsg;
    std::optional<std::string> nvme_generic;
};

/// Follows symbolic links. The error has the path and, if there is one, the remedy. A path that
/// exists and is not a disk is a Node of Kind::other, and `words` describes it.
[[nodiscard]] tl::expected<Node, Error> look_at(const std::string& path);

/// Every disk that the kernel knows, by its most informative node: block devices (no partitions),
/// and SCSI disks (types 00h and 14h) and NVMe namespaces without a block device. Sorted by name.
[[nodiscard]] std::vector<Node> every_disk();

// For tests, which use places of their own.
/// The Node for a device node at `path` with this number.
[[nodiscard]] tl::expected<Node, Error> describe(const Places& places, const std::string& path,
                                                 bool block, dev_t number);
[[nodiscard]] std::vector<Node> every_disk(const Places& places);

/// A sysfs attribute without its end of line ("queue/zoned" of a block device); empty if it does
/// not exist.
[[nodiscard]] std::optional<std::string> attribute(const Node& node, const std::string& name);
/// The same as a number.
[[nodiscard]] std::optional<std::uint64_t> number_of(const Node& node, const std::string& name);

}  // namespace zonebridge::host
