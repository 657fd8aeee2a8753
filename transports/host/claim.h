// Finds the other users of a disk, and holds it exclusively. Two writers to one zoned disk corrupt
// each other's write pointers, so a writer holds the disk's block node.
//
// Threads: any; a Claim is used by one thread at a time.
// Ownership: a Claim owns the file descriptor that holds the disk.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

#include "transports/host/node.h"

namespace zonebridge::host {

/// All users of the block device, in words: "mounted at /mnt", "/dev/sda1, a partition of it, is
/// mounted at /boot", "has the partition /dev/sda1", "is part of /dev/dm-0", "is used for
/// swapping", "is open for writing in fio (process 123)", "is already open in this process". Empty
/// if there are none.
[[nodiscard]] std::vector<std::string> holders_of(const Node& block);
/// Mount points of its file systems, including those on partitions and on devices stacked on it.
[[nodiscard]] std::vector<std::string> mount_points_of(const Node& block);

/// A user of a block device.
struct Holder {
    enum class Kind : unsigned char {
        reader,   ///< Has it open for reading.
        writer,   ///< Has it open for writing, or is a partition.
        mounted,  ///< A file system or swap space, perhaps through partitions or other devices.
        stacked,  ///< Another block device stacked on it.
    };
    Kind kind = Kind::reader;
    std::string words;
    std::optional<std::string> mount_point;  ///< Set for a file system.
};
[[nodiscard]] std::vector<Holder> find_holders(const Places& places, const Node& block);

class Claim {
  public:
    /// Holds nothing: for a disk that has no block node.
    Claim() = default;
    /// Holds `block` (Node::Kind::block) exclusively until destroyed; needs no write permission.
    /// Refused (io_error, EBUSY), naming the holders, if the disk is partitioned, mounted, part of
    /// another device, open for writing elsewhere or held exclusively by another. `force` overrides
    /// that, except for a disk that another holds exclusively. Other errors are the system's.
    [[nodiscard]] static tl::expected<Claim, Error> take(const Node& block, bool force);
    /// Like take(), for the block node of the disk that `node` belongs to, if it has one; refuses a
    /// mounted disk even with `force`.
    [[nodiscard]] static tl::expected<Claim, Error> take_sibling(const Node& node, bool force);

    /// Whether it holds a disk.
    [[nodiscard]] bool holds() const noexcept { return fd_.has_value(); }

    Claim(Claim&& other) noexcept : fd_(std::exchange(other.fd_, std::nullopt)) {}
    Claim& operator=(Claim&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~Claim();

  private:
    std::optional<int> fd_;
};

}  // namespace zonebridge::host
