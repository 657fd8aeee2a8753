// Who else uses a disk, and holding it for ourselves. Two ways of writing to one zoned disk corrupt
// each other's write pointers, so whoever writes holds the disk's block node.
//
// Threads: any; a Claim is used by one at a time.
// Ownership: a Claim owns the file descriptor that holds the disk.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

#include "transports/host/node.h"

namespace zonebridge::host {

/// Everybody who uses the block device, in words: "mounted at /mnt", "/dev/sda1, a partition of it,
/// is mounted at /boot", "has the partition /dev/sda1", "is part of /dev/dm-0", "is used for
/// swapping", "is open for writing in fio (process 123)", "is open in this very process". Empty if
/// nobody does.
[[nodiscard]] std::vector<std::string> holders_of(const Node& block);
/// Where file systems of it are mounted, also those on its partitions and on devices made of it.
[[nodiscard]] std::vector<std::string> mount_points_of(const Node& block);

class Claim {
  public:
    /// What was not claimed: a disk that has no block node.
    Claim() = default;
    /// Holds `block` (Node::Kind::block) exclusively until destroyed; that needs no right to write.
    /// Refused (io_error, EBUSY), with the holders named, if it is partitioned, mounted, part of
    /// another device, open for writing elsewhere or held by another; with `force` that is
    /// overlooked, and what can't be held is not. Any other errno is what the system refuses.
    [[nodiscard]] static tl::expected<Claim, Error> take(const Node& block, bool force);
    /// As take, for the block node of the disk that `node` belongs to, if it has one; and a disk
    /// that is mounted is refused even with `force`.
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
