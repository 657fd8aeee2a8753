// The driver's memory as VDUSE tells it: pieces of its address space (IOVA), each a range of some
// file. By virtio_vdpa they are the kernel's bounce buffer, which is there from the first buffer
// on, and its rings; by vhost_vdpa the files that a guest's memory is made of.
//
// Threads: plain values and functions.
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

/// Where a piece lies. Bytes; `last` is its last one.
struct Extent {
    std::uint64_t start = 0;
    std::uint64_t last = 0;
    std::uint64_t offset = 0;  ///< Of `start`, in its file.
    bool writable = true;
    /// Memory of the kernel's own. Only the addresses tell two of them apart, and not for longer
    /// than the driver keeps them: after a reset the same ones are other memory.
    bool kernel_made = false;
    dev_t device = 0;
    ino_t inode = 0;

    friend bool operator==(const Extent&, const Extent&) = default;
};

struct Piece {
    Extent extent;
    UniqueFd fd;
};

/// Puts `next`, which lies behind all of `pieces`, at their end; if it merely goes on with the last
/// one's file, that one grows. The kernel's own pieces stay apart.
void append(std::vector<Piece>& pieces, Piece next);

/// All there is at present, from VDUSE_IOTLB_GET_FD. Fails when there are more than a table holds.
[[nodiscard]] tl::expected<std::vector<Piece>, std::string> read_iotlb(int device);

/// Guest address and user address are both the driver's address. Keeps mappings of files that
/// `previous` has; maps the kernel's own anew each time.
[[nodiscard]] tl::expected<GuestMemory::Table, std::string> build_memory(
    std::span<const Piece> pieces, const GuestMemory& previous);

[[nodiscard]] std::vector<Extent> extents_of(std::span<const Piece> pieces);

}  // namespace zonebridge::virtio::vduse
