// An open block device or plain file, shared by the queues and their jobs.
//
// Threads: immutable once open, but for the size; any thread.
// Ownership: owns its file descriptor and its zone port.
#pragma once

#include <cstdint>
#include <memory>

#include "transports/block/zones.h"
#include "zone/limits.h"
#include "zone/request.h"
#include "zone/status.h"

namespace zonebridge::block {

class KernelDisk {
  public:
    struct Access {
        int fd = -1;
        bool block_device = false;
        /// Alignment that direct I/O requires of a buffer's address and length; 1 if I/O goes
        /// through the page cache.
        std::uint32_t memory_alignment = 1;
        std::uint32_t length_alignment = 1;
    };

    KernelDisk(Access access, Limits limits, std::unique_ptr<ZonePort> zones)
        : access_(access), limits_(std::move(limits)), zones_(std::move(zones)) {}
    KernelDisk(const KernelDisk&) = delete;
    KernelDisk& operator=(const KernelDisk&) = delete;
    ~KernelDisk();

    [[nodiscard]] int fd() const noexcept { return access_.fd; }
    [[nodiscard]] const Limits& limits() const noexcept { return limits_; }
    [[nodiscard]] const Layout& layout() const noexcept { return limits_.layout; }
    [[nodiscard]] ZonePort& zones() const noexcept { return *zones_; }
    [[nodiscard]] bool is_block_device() const noexcept { return access_.block_device; }
    /// Whether any of its operations can only be done by a blocking call.
    [[nodiscard]] bool needs_threads() const noexcept {
        return limits_.model != Model::none || (is_block_device() && limits_.max_discard);
    }
    [[nodiscard]] bool is_direct() const noexcept { return access_.memory_alignment > 1; }

    /// Whether these buffers can go to the device directly.
    [[nodiscard]] bool takes(std::span<const iovec> data) const noexcept;
    /// A write that must be at the write pointer, and is written whole or fails.
    [[nodiscard]] bool is_sequential_write(const Request& request) const noexcept;
    /// Takes over the size of a disk without zones, whole logical blocks of it, unless there are none;
    /// returns the size. One thread at a time.
    std::uint64_t look_at_size() noexcept;
    /// The status for an operation's errno. An unplugged disk has no size any more and is
    /// device_gone, whatever the error.
    [[nodiscard]] Status status_of(int error) const noexcept;

  private:
    Access access_;
    Limits limits_;
    std::unique_ptr<ZonePort> zones_;
};

/// The code for an error of a block device's read, write, flush or zone ioctl. Covers every entry
/// of the kernel's table of errors (blk_errors in block/blk-core.c). An operation that a zone's
/// state forbids fails with plain EIO: only a new report of the zone tells more.
[[nodiscard]] StatusCode code_of(int error) noexcept;

/// In bytes; fails with an errno.
[[nodiscard]] tl::expected<std::uint64_t, int> size_of_device(int fd) noexcept;

}  // namespace zonebridge::block
