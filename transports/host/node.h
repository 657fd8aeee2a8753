// What a path is, as the kernel and sysfs tell it: a file, or which of a disk's nodes, and the
// names of the others.
//
// Threads: any; every call looks anew.
// Ownership: plain values.
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

struct Node {
    enum class Kind : std::uint8_t {
        file,          ///< A regular file.
        block,         ///< /dev/sda, /dev/nvme0n1, /dev/nullb0, /dev/dm-0
        sg,            ///< /dev/sg0
        bsg,           ///< /dev/bsg/0:0:0:0
        nvme_generic,  ///< /dev/ng0n1
        other,         ///< Nothing a disk could be.
    };

    Kind kind = Kind::other;
    std::string path;             ///< As it was named.
    std::string name;             ///< The kernel's: "sda", "sg0", "0:0:0:0", "ng0n1"; "" for files.
    dev_t number = 0;             ///< A device's own number.
    std::filesystem::path sysfs;  ///< Its folder below /sys/devices; may be empty if no disk.
    std::string words;            ///< "a directory", "a block device": for messages.
    /// Set for a partition: the whole disk's node ("/dev/sda").
    std::optional<std::string> partition_of;

    // The nodes of the same disk ("/dev/sda"), itself included where it is one. Block devices that
    // the kernel keeps to itself (a namespace whose zones it can't handle) are none.
    std::optional<std::string> block;
    std::optional<std::string> sg;
    std::optional<std::string> bsg;
    std::optional<std::string> nvme_generic;
};

/// Follows symbolic links. The error has the path and, where there is one, what to do. Anything
/// that exists and is no disk is a Node of Kind::other, with `words` saying what it is.
[[nodiscard]] tl::expected<Node, Error> look_at(const std::string& path);

/// Every disk the kernel knows, by the node that tells most of it: block devices (no partitions),
/// and SCSI disks (types 00h and 14h) and NVMe namespaces that have no block device. In the order
/// of their names.
[[nodiscard]] std::vector<Node> every_disk();

/// A sysfs attribute without its end of line ("queue/zoned" of a block device); empty if there is
/// none.
[[nodiscard]] std::optional<std::string> attribute(const Node& node, const std::string& name);
/// The same as a number.
[[nodiscard]] std::optional<std::uint64_t> number_of(const Node& node, const std::string& name);

}  // namespace zonebridge::host
