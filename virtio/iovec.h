// Copying into and out of scattered buffers, with bounds.
//
// Threads: free functions; the buffers' bytes may change under them at any time, so everything is
// copied once and looked at afterwards.
// Ownership: borrows everything.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <sys/uio.h>

namespace zonebridge::virtio {

[[nodiscard]] std::uint64_t total_length(std::span<const iovec> buffers) noexcept;

/// Copies what lies `offset` bytes into `buffers` to `out`; returns how many bytes there were.
std::size_t copy_from(std::span<const iovec> buffers, std::uint64_t offset,
                      std::span<std::byte> out) noexcept;

/// Copies `in` to `offset` bytes into `buffers`; returns how many fitted.
std::size_t copy_to(std::span<const iovec> buffers, std::uint64_t offset,
                    std::span<const std::byte> in) noexcept;

/// The buffers without their first `bytes` bytes. Where the cut falls between two buffers, as with
/// every common driver, this is a view of `buffers`; otherwise the rest is copied to `scratch` and
/// its first entry trimmed; `scratch` may begin where `buffers` do. Nothing if the buffers are
/// shorter, or `scratch` is too short.
[[nodiscard]] std::optional<std::span<const iovec>> skip_front(std::span<const iovec> buffers,
                                                               std::uint64_t bytes,
                                                               std::span<iovec> scratch) noexcept;

/// Copies piece after piece into buffers, each behind the one before it, without looking at what is
/// already filled again.
class WriteCursor {
  public:
    WriteCursor() = default;
    /// Begins `offset` bytes into `buffers`.
    WriteCursor(std::span<const iovec> buffers, std::uint64_t offset) noexcept;
    /// Returns how many bytes fitted.
    std::size_t write(std::span<const std::byte> in) noexcept;

  private:
    std::span<const iovec> rest_;
    std::uint64_t into_ = 0;  // of the first of rest_
};

}  // namespace zonebridge::virtio
