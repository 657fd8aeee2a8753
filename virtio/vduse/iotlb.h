// The driver's memory as VDUSE reports it: pieces of its address space (IOVA), each a range of some
// file. With virtio_vdpa they are the kernel's bounce buffer, which exists from the first buffer
// on, and its rings; with vhost_vdpa the files of a guest's memory.
//
// Ownership: a Piece holds its file until the memory is built.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <sys/types.h>
#include <vector>

#include <tl/expected.hpp>

#include "base/unique_fd.h"
#include "virtio/memory.h"

namespace zonebridge::virtio::vduse {

/// A piece's place, in bytes; `last` is its last byte.
struct Extent {
    std::uint64_t start = 0;
    std::uint64_t last = 0;
    std::uint64_t offset = 0;  ///< Of `start`, in its file.
    bool writable = true;
    /// Memory made by the kernel. Two such extents differ only in their addresses, and only as long
    /// as the driver keeps them: after a reset the same addresses are other memory.
    bool kernel_made = false;
    dev_t device = 0;
    ino_t inode = 0;

    friend bool operator==(const Extent&, const Extent&) = default;
};

struct Piece {
    Extent extent;
    UniqueFd fd;
};

/// Appends `next`, which lies behind all of `pieces`; if it continues the last one's file range,
/// that piece grows instead. Pieces made by the kernel stay separate.
void append(std::vector<Piece>& pieces, Piece next);

/// All current pieces, from VDUSE_IOTLB_GET_FD. Fails if there are more than a table holds.
[[nodiscard]] tl::expected<std::vector<Piece>, std::string> read_iotlb(int device);

/// Guest address and user address are both the driver's address. Reuses mappings of files that
/// `previous` has; always maps the kernel's own memory anew.
[[nodiscard]] tl::expected<GuestMemory::Table, std::string> build_memory(
    std::span<const Piece> pieces, const GuestMemory& previous);

[[nodiscard]] std::vector<Extent> extents_of(std::span<const Piece> pieces);

}  // namespace zonebridge::virtio::vduse
