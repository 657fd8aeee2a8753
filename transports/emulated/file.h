// The operations that the emulated disk needs of its file. A seam inside this folder: the power-cut
// test substitutes a store that loses sectors.
//
// Threads: safe from any thread, concurrently.
// Ownership: owns its file descriptors; borrows buffers for the length of a call.
//
// Nothing here throws. Failures are errno values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <fcntl.h>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <sys/uio.h>

#include <tl/expected.hpp>

#include "transports/emulated/format.h"
#include "zone/status.h"

namespace zonebridge::emulated {

class File {
  public:
    /// Bytes moved, or an errno. Fewer bytes than requested: the end of the file was reached
    /// (reads), or the write stopped there (trying again shows why).
    using Moved = tl::expected<std::size_t, int>;
    /// 0 or an errno.
    using Errno = int;

    virtual ~File() = default;

    [[nodiscard]] virtual Moved read(std::span<const iovec> to, std::uint64_t at) noexcept = 0;
    /// Like read, but only data that needs no waiting; EAGAIN if there is none.
    [[nodiscard]] virtual Moved read_cached(std::span<const iovec> to,
                                            std::uint64_t at) noexcept = 0;
    [[nodiscard]] virtual Moved write(std::span<const iovec> from, std::uint64_t at) noexcept = 0;
    /// Makes everything written and punched before the call survive a power cut after it.
    [[nodiscard]] virtual Errno sync() noexcept = 0;
    /// The fallocate(2) modes of the next two, for asynchronous calls.
    static constexpr int punch_mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    static constexpr int zero_mode = FALLOC_FL_ZERO_RANGE;
    /// The range reads as zeroes from now on; its space is freed if possible.
    [[nodiscard]] virtual Errno punch(std::uint64_t at, std::uint64_t length) noexcept = 0;
    /// The range reads as zeroes from now on and keeps its space, or gets some, if possible.
    /// Extends the file over the range: space past its end could not be punched.
    [[nodiscard]] virtual Errno zero(std::uint64_t at, std::uint64_t length) noexcept = 0;
    [[nodiscard]] virtual tl::expected<std::uint64_t, int> size() noexcept = 0;
    /// Makes the file this long, with a hole. Requires that it is not longer.
    [[nodiscard]] virtual Errno grow(std::uint64_t size) noexcept = 0;
    /// The first byte at or after `from` that may not be zero; absent if there is none.
    [[nodiscard]] virtual std::optional<std::uint64_t> next_data(std::uint64_t from) noexcept = 0;
    /// The descriptor for io_uring, if the file has one.
    [[nodiscard]] virtual std::optional<int> descriptor() const noexcept { return std::nullopt; }

    /// What is on the medium, whatever the page cache holds: pages that could not be written out stay
    /// there, and look as if they had been. Requires a sync after the last write. A short read is
    /// ENODATA.
    [[nodiscard]] virtual Errno read_medium(std::span<std::uint8_t> to,
                                            std::uint64_t at) noexcept = 0;
    /// Drops what the page cache holds, as far as it is written out, so that later reads find the
    /// medium.
    virtual void drop_cached() noexcept = 0;
    /// Part of the file, shared with the page cache: what is stored there outlives this process. Belongs
    /// to the file. Empty if the file system has no shared mappings. Call it at most once.
    [[nodiscard]] virtual std::span<std::byte> map(std::uint64_t at,
                                                   std::uint64_t length) noexcept = 0;
    /// This file on this running host; absent if that can't be found out.
    [[nodiscard]] virtual std::optional<FileInstance> instance() noexcept = 0;
    /// Whether other hosts may use the file at the same time.
    [[nodiscard]] virtual bool shared_between_hosts() noexcept = 0;
    /// Whether the file still has a name.
    [[nodiscard]] virtual bool has_name() noexcept = 0;

    // One buffer in our own memory, in full: a short read is ENODATA.
    [[nodiscard]] Errno read_all(std::span<std::uint8_t> to, std::uint64_t at) noexcept;
    [[nodiscard]] Errno write_all(std::span<const std::uint8_t> from, std::uint64_t at) noexcept;
};

/// A file of the host. Takes ownership of `fd`.
[[nodiscard]] std::unique_ptr<File> host_file(int fd);

/// Fills guest buffers with zeroes. The kernel writes them, so that memory that has gone away
/// yields EFAULT and not a signal.
class ZeroSource {
  public:
    [[nodiscard]] static tl::expected<std::unique_ptr<ZeroSource>, Error> open();
    explicit ZeroSource(int fd) : fd_(fd) {}
    ~ZeroSource();
    ZeroSource(const ZeroSource&) = delete;
    ZeroSource& operator=(const ZeroSource&) = delete;
    /// 0 or an errno.
    [[nodiscard]] int fill(std::span<const iovec> to) const noexcept;

  private:
    int fd_;
};

}  // namespace zonebridge::emulated
