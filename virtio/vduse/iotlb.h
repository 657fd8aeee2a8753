// The driver's memory as VDUSE reports it: pieces of its address space (IOVA), each a range of some
// file. With virtio_vdpa they are the kernel's bounce buffer, which exists from the first buffer
// on, and its rings; with vhost_vdpa the files of a guest's memory.
//
// Ownership: a Piece holds its file until the memory is built; a DriverMemory shares the mappings.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <sys/types.h>
#include <utility>
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

/// Guest address and user address are both the driver's address. Reuses mappings of files that
/// `previous` has; always maps the kernel's own memory anew.
[[nodiscard]] tl::expected<GuestMemory::Table, std::string> build_memory(
    std::span<const Piece> pieces, const GuestMemory& previous);

/// The pieces as the kernel reported them at some moment, mapped. The kernel does not announce
/// every change: see is_outdated().
class DriverMemory {
  public:
    /// No memory.
    DriverMemory() : table_(GuestMemory::none()) {}

    /// The memory that the kernel's device has now; shares the mappings of this one that are still
    /// the same. Fails if there are more pieces than a table holds.
    [[nodiscard]] tl::expected<DriverMemory, std::string> read_again(int device) const;
    /// The kernel's device has other pieces now.
    [[nodiscard]] tl::expected<bool, std::string> is_outdated(int device) const;

    [[nodiscard]] const GuestMemory::Table& table() const noexcept { return table_; }

  private:
    DriverMemory(std::vector<Extent> extents, GuestMemory::Table table) noexcept
        : extents_(std::move(extents)), table_(std::move(table)) {}

    std::vector<Extent> extents_;  // what table_ was built from
    GuestMemory::Table table_;
};

}  // namespace zonebridge::virtio::vduse
