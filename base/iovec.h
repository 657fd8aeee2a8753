// Scattered buffers: their length, parts of them, and copying into and out of them. Everything here
// borrows the buffers and the lists.
//
// The bytes belong to a guest and may change at any time: copy them once and look at the copy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <sys/uio.h>

namespace zonebridge {

/// Sum of the buffers' lengths in bytes; saturates at the largest number.
[[nodiscard]] std::uint64_t total_length(std::span<const iovec> buffers) noexcept;

/// The buffers that hold the first `length` bytes, without empty buffers at the end: a part of
/// `buffers` itself if a buffer ends there, otherwise a list made in `scratch`. Empty if there are
/// fewer bytes, or `scratch` is too short. Requires length > 0.
[[nodiscard]] std::optional<std::span<const iovec>> front(std::span<const iovec> buffers,
                                                          std::uint64_t length,
                                                          std::span<iovec> scratch) noexcept;

/// The buffers without their first `bytes` bytes: a part of `buffers` itself if a buffer begins
/// there, otherwise a list made in `scratch`, which may begin where `buffers` does. Empty if there
/// are fewer bytes, or `scratch` is too short.
[[nodiscard]] std::optional<std::span<const iovec>> skip_front(std::span<const iovec> buffers,
                                                               std::uint64_t bytes,
                                                               std::span<iovec> scratch) noexcept;

/// Like skip_front, but changes the list itself. Requires at least `bytes` bytes.
[[nodiscard]] std::span<iovec> trim_front(std::span<iovec> buffers, std::uint64_t bytes) noexcept;

/// Copies the bytes at `offset` of `buffers` to `out`; returns the number of bytes copied.
std::size_t copy_from(std::span<const iovec> buffers, std::uint64_t offset,
                      std::span<std::uint8_t> out) noexcept;

/// Copies `in` to `offset` of `buffers`; returns the number of bytes that fitted.
std::size_t copy_to(std::span<const iovec> buffers, std::uint64_t offset,
                    std::span<const std::uint8_t> in) noexcept;

/// A position in scattered buffers; each operation moves it forward.
class IovecCursor {
  public:
    IovecCursor() = default;
    /// Begins at `offset` of `buffers`, or at their end if they are shorter.
    explicit IovecCursor(std::span<const iovec> buffers, std::uint64_t offset = 0) noexcept;

    /// Returns the number of bytes that fitted.
    std::size_t write(std::span<const std::uint8_t> in) noexcept;
    /// Returns the number of bytes read.
    std::size_t read(std::span<std::uint8_t> out) noexcept;
    /// Returns the number of bytes skipped.
    std::uint64_t skip(std::uint64_t length) noexcept;
    /// Compares with the next bytes.size() bytes; returns the index of the first difference, if
    /// there is one. Bytes past the end of the buffers count as different.
    [[nodiscard]] std::optional<std::size_t> compare(std::span<const std::uint8_t> bytes) noexcept;

    struct Slice {
        std::span<iovec> pieces;  ///< The first elements of `out`.
        std::uint64_t length = 0;
    };
    /// The next `length` bytes as a list made in `out`; fewer if `out` is too short or the buffers
    /// end.
    [[nodiscard]] Slice slice(std::uint64_t length, std::span<iovec> out) noexcept;

  private:
    /// Calls `each(piece, done)` for the next `length` bytes, piece by piece (a span of bytes, and
    /// the number of bytes before it), until a call returns false; returns the number of bytes
    /// passed.
    template <typename Each>
    std::uint64_t walk(std::uint64_t length, const Each& each) noexcept;

    std::span<const iovec> rest_;
    std::size_t used_ = 0;  // bytes used of the first buffer of rest_; always less than its length
};

}  // namespace zonebridge
