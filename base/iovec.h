// Scattered buffers: how long they are, parts of them, and copying into and out of them. Everything
// here borrows the buffers and the lists.
//
// The bytes in the buffers may change at any time, since they belong to a guest: copy them once and
// look at the copy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <sys/uio.h>

namespace zonebridge {

/// Bytes in all buffers together; stops growing at the largest number there is.
[[nodiscard]] std::uint64_t total_length(std::span<const iovec> buffers) noexcept;

/// The buffers that hold the first `length` bytes, without empty ones at the end: a part of
/// `buffers` itself where one ends there, else a list made in `scratch`. Nothing if there are fewer
/// bytes than that, or `scratch` is too short. Requires length > 0.
[[nodiscard]] std::optional<std::span<const iovec>> front(std::span<const iovec> buffers,
                                                          std::uint64_t length,
                                                          std::span<iovec> scratch) noexcept;

/// The buffers without their first `bytes` bytes: a part of `buffers` itself where one begins there,
/// else a list made in `scratch`, which may begin where `buffers` do. Nothing if there are fewer
/// bytes than that, or `scratch` is too short.
[[nodiscard]] std::optional<std::span<const iovec>> skip_front(std::span<const iovec> buffers,
                                                               std::uint64_t bytes,
                                                               std::span<iovec> scratch) noexcept;

/// As skip_front, changing the list itself. Requires that there are as many bytes.
[[nodiscard]] std::span<iovec> trim_front(std::span<iovec> buffers, std::uint64_t bytes) noexcept;

/// Copies the bytes at `offset` of `buffers` to `out`; returns how many there were.
std::size_t copy_from(std::span<const iovec> buffers, std::uint64_t offset,
                      std::span<std::uint8_t> out) noexcept;

/// Copies `in` to `offset` of `buffers`; returns how many bytes fitted.
std::size_t copy_to(std::span<const iovec> buffers, std::uint64_t offset,
                    std::span<const std::uint8_t> in) noexcept;

/// A place in scattered buffers that moves forward with what is done there.
class IovecCursor {
  public:
    IovecCursor() = default;
    /// Begins at `offset` of `buffers`, or at their end if they are shorter.
    explicit IovecCursor(std::span<const iovec> buffers, std::uint64_t offset = 0) noexcept;

    /// Returns how many bytes fitted.
    std::size_t write(std::span<const std::uint8_t> in) noexcept;
    /// Returns how many bytes there were.
    std::size_t read(std::span<std::uint8_t> out) noexcept;
    /// Returns how many bytes there were.
    std::uint64_t skip(std::uint64_t length) noexcept;
    /// Compares with the next bytes.size() bytes: the index of the first that differs, if one does.
    /// What lies behind the end of the buffers differs.
    [[nodiscard]] std::optional<std::size_t> compare(std::span<const std::uint8_t> bytes) noexcept;

    struct Slice {
        std::span<iovec> pieces;  ///< The first ones of `out`.
        std::uint64_t length = 0;
    };
    /// The next `length` bytes as a list made in `out`; fewer where `out` is too short or the
    /// buffers end.
    [[nodiscard]] Slice slice(std::uint64_t length, std::span<iovec> out) noexcept;

  private:
    /// Calls `each(piece, done)` for the next `length` bytes, piece by piece (a span of bytes, and
    /// how many came before), until one returns false; returns how many bytes were passed.
    template <typename Each>
    std::uint64_t walk(std::uint64_t length, const Each& each) noexcept;

    std::span<const iovec> rest_;
    std::size_t used_ = 0;  // of the first of rest_; always less than its length
};

}  // namespace zonebridge
