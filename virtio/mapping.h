// A peer's file mapped into this process, shared, guarded against truncation (sigbus.h).
//
// Threads: immutable; any thread.
// Ownership: owns the mapping, not the descriptor it came from. The bytes belong to the peer, who
// may change them at any time: copy first, then look.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <sys/types.h>

#include <tl/expected.hpp>

#include "virtio/sigbus.h"

namespace zonebridge::virtio {

class Mapping {
  public:
    /// Maps `size` bytes at `offset` of `fd`, readable and writable. `offset` need not be aligned:
    /// the mapping begins at the (huge) page below. Refuses a size of 0, ranges that overflow or
    /// reach past the end of the file, and what is neither a regular file nor a character device.
    [[nodiscard]] static tl::expected<std::shared_ptr<const Mapping>, std::string> map(
        int fd, std::uint64_t offset, std::uint64_t size);

    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    ~Mapping();

    /// The byte at `offset`.
    [[nodiscard]] std::byte* data() const noexcept { return data_; }
    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
    /// The peer took away a page that was touched since.
    [[nodiscard]] bool broken() const noexcept { return guard_.broken(); }
    /// `fd` at `offset` and `size` is what is mapped here. The mapping keeps its file alive, so
    /// the same device and inode numbers are the same file.
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
