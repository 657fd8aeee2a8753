// Scattered buffers: how long they are, the front part of them, copying into and out of them.
//
// Threads: plain values and pure functions.
// Ownership: borrows buffers and lists.
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
/// `buffers` itself where one ends there, else a list made in `room`. Nothing if there are fewer
/// bytes than that, or `room` is too small. Requires length > 0.
[[nodiscard]] std::optional<std::span<const iovec>> front(std::span<const iovec> buffers,
                                                          std::uint64_t length,
                                                          std::span<iovec> room) noexcept;

/// Copies `bytes` to the start of `buffers`; returns how many fitted.
std::size_t scatter(std::span<const std::uint8_t> bytes, std::span<const iovec> buffers) noexcept;
/// Copies from the start of `buffers`; returns how many there were, at most out.size().
std::size_t gather(std::span<const iovec> buffers, std::span<std::uint8_t> out) noexcept;

/// Writes on and on through scattered buffers.
class ScatterWriter {
  public:
    ScatterWriter() = default;
    explicit ScatterWriter(std::span<const iovec> buffers) noexcept : buffers_(buffers) {}

    /// Returns how many bytes fitted.
    std::size_t write(std::span<const std::uint8_t> bytes) noexcept;
    /// Leaves `length` bytes as they are; returns how many there were.
    std::size_t skip(std::size_t length) noexcept { return advance(nullptr, length); }

  private:
    std::size_t advance(const std::uint8_t* from, std::size_t length) noexcept;

    std::span<const iovec> buffers_;
    std::size_t index_ = 0;
    std::size_t used_ = 0;  // of buffers_[index_]
};

/// Holds bytes against scattered buffers, on and on.
class ScatterComparer {
  public:
    ScatterComparer() = default;
    explicit ScatterComparer(std::span<const iovec> buffers) noexcept : buffers_(buffers) {}

    /// Against the next bytes.size() bytes: where the first one lies that differs, if one does. What
    /// the buffers do not have differs.
    [[nodiscard]] std::optional<std::size_t> compare(std::span<const std::uint8_t> bytes) noexcept;

  private:
    std::span<const iovec> buffers_;
    std::size_t index_ = 0;
    std::size_t used_ = 0;  // of buffers_[index_]
};

}  // namespace zonebridge
