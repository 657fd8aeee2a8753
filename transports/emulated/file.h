// The few things the emulated disk asks of the file that holds it. A seam inside this folder: the
// power-cut test puts a store that loses sectors in its place.
//
// Threads: safe from any thread at once.
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

#include "zone/status.h"

namespace zonebridge::emulated {

class File {
  public:
    /// Bytes moved, or an errno. Fewer bytes than asked for: the end of the file (reads), or as far
    /// as it went (writes; another try tells why).
    using Moved = tl::expected<std::size_t, int>;
    /// 0 or an errno.
    using Errno = int;

    virtual ~File() = default;

    [[nodiscard]] virtual Moved read(std::span<const iovec> to, std::uint64_t at) noexcept = 0;
    /// As read, but only what needs no waiting: EAGAIN if nothing does.
    [[nodiscard]] virtual Moved read_cached(std::span<const iovec> to,
                                            std::uint64_t at) noexcept = 0;
    [[nodiscard]] virtual Moved write(std::span<const iovec> from, std::uint64_t at) noexcept = 0;
    /// Everything written and punched before this call survives a power cut after it.
    [[nodiscard]] virtual Errno sync() noexcept = 0;
    /// How fallocate(2) is asked for the next two, where the kernel is to do it meanwhile.
    static constexpr int punch_mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    static constexpr int zero_mode = FALLOC_FL_ZERO_RANGE;
    /// The range reads as zeroes from now on and takes no space if that can be had.
    [[nodiscard]] virtual Errno punch(std::uint64_t at, std::uint64_t length) noexcept = 0;
    /// The range reads as zeroes from now on and keeps its space, or gets some, if that can be had.
    /// The file grows over it: space behind its end could not be punched any more.
    [[nodiscard]] virtual Errno zero(std::uint64_t at, std::uint64_t length) noexcept = 0;
    [[nodiscard]] virtual tl::expected<std::uint64_t, int> size() noexcept = 0;
    /// The first byte at or after `from` that may be other than zero; absent if there is none.
    [[nodiscard]] virtual std::optional<std::uint64_t> next_data(std::uint64_t from) noexcept = 0;
    /// For io_uring, where there is one.
    [[nodiscard]] virtual std::optional<int> descriptor() const noexcept { return std::nullopt; }

    // One buffer in our own memory, whole: a short read is ENODATA.
    [[nodiscard]] Errno read_all(std::span<std::uint8_t> to, std::uint64_t at) noexcept;
    [[nodiscard]] Errno write_all(std::span<const std::uint8_t> from, std::uint64_t at) noexcept;
};

/// A file of the host's. Takes over `fd`.
[[nodiscard]] std::unique_ptr<File> host_file(int fd);

/// Zeroes for buffers that are not ours to touch: the kernel fills them, so that memory which has
/// gone away is an EFAULT and not a signal.
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
