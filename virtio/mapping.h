// A peer's file mapped into this process, shared, guarded against truncation (sigbus.h).
//
// Threads: immutable; any thread.
// Ownership: owns the mapping, not the descriptor it came from. The peer may change the bytes at
// any time: copy first, then check.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <sys/types.h>

#include <tl/expected.hpp>

#include "base/sigbus.h"

namespace zonebridge::virtio {

class Mapping {
  public:
    struct Options {
        /// False: writing there raises SIGSEGV, so no caller may be given such an address for
        /// writing.
        bool writable = true;
        /// The descriptor may be one of an anonymous inode, made by the kernel: it has no size to
        /// check, and its inode does not identify it, so no two are ever the same.
        bool kernel_made = false;
    };

    /// Maps `size` bytes at `offset` of `fd`. `offset` need not be aligned: the mapping begins at
    /// the (huge) page below. Refuses a size of 0, ranges that overflow or reach past the end of
    /// the file, and descriptors of neither a regular file nor a character device. Touches no page:
    /// pages may not exist yet.
    [[nodiscard]] static tl::expected<std::shared_ptr<const Mapping>, std::string> map(
        int fd, std::uint64_t offset, std::uint64_t size, Options options);
    /// Readable and writable, of a file.
    [[nodiscard]] static tl::expected<std::shared_ptr<const Mapping>, std::string> map(
        int fd, std::uint64_t offset, std::uint64_t size) {
        return map(fd, offset, size, Options());
    }

    /// The descriptor is of the kind that Options::kernel_made allows.
    [[nodiscard]] static bool is_kernel_made(int fd) noexcept;

    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    ~Mapping();

    /// The byte at `offset`.
    [[nodiscard]] std::byte* data() const noexcept { return data_; }
    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
    [[nodiscard]] bool writable() const noexcept { return origin_.writable; }
    /// The peer truncated the file, and a missing page was touched.
    [[nodiscard]] bool broken() const noexcept { return guard_.broken(); }
    /// This maps `size` bytes at `offset` of `fd`. The mapping keeps its file alive, so equal
    /// device and inode numbers mean the same file; kernel-made files never compare equal.
    [[nodiscard]] bool is(int fd, std::uint64_t offset, std::uint64_t size) const noexcept;

  private:
    struct Extent {
        void* begin;
        std::size_t length;
    };
    struct Origin {
        dev_t device;
        ino_t inode;
        std::uint64_t offset;
        bool writable;
        bool anonymous;
    };
    Mapping(Extent extent, SigbusRange guard, Origin origin, std::byte* data,
            std::uint64_t size) noexcept;

    Extent extent_;
    SigbusRange guard_;
    Origin origin_;
    std::byte* data_;
    std::uint64_t size_;
};

}  // namespace zonebridge::virtio
