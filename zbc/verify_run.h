// One VERIFY on its way: which piece of the medium to read next, and what it is held against.
//
// Threads: belongs to whoever runs it.
// Ownership: borrows the layout, the buffers and the block from begin() on. It allocates nothing.
//
// A verification may be longer than any transfer: it is read in pieces, none of which leaves its
// zone, so that a disk whose reads may not run over zones can be verified as well.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <sys/uio.h>

#include "base/iovec.h"
#include "zone/limits.h"

namespace zonebridge::zbc {

/// SBC-4 "BYTCHK field".
enum class ByteCheck : std::uint8_t {
    medium = 0,     ///< The blocks can be read; there is no data.
    all = 1,        ///< They are the data.
    one_block = 3,  ///< Each is the one block of data.
};

/// Nothing for the reserved value.
[[nodiscard]] std::optional<ByteCheck> parse_byte_check(std::uint8_t value) noexcept;

class VerifyRun {
  public:
    struct Next {
        std::uint64_t offset;
        std::uint64_t length;
    };

    /// All in bytes; requires a range on the disk that is not empty.
    void begin(const Layout& layout, std::uint64_t offset, std::uint64_t length,
               ByteCheck check) noexcept;
    /// What the range is held against: the data, or with ByteCheck::one_block the block.
    void compare_with(std::span<const iovec> data) noexcept { data_ = IovecCursor(data); }
    void compare_with(std::span<const std::uint8_t> block) noexcept { block_ = block; }

    [[nodiscard]] ByteCheck check() const noexcept { return check_; }

    /// What to read next, at most `most` bytes; nothing when all was held against.
    [[nodiscard]] std::optional<Next> next(std::uint64_t most) const noexcept;

    /// Takes what was read of next(): the offset of the first byte in the data that differs, if one
    /// does. Then the run is over.
    [[nodiscard]] std::optional<std::uint64_t> feed(std::span<const std::uint8_t> bytes) noexcept;

  private:
    const Layout* layout_ = nullptr;
    IovecCursor data_;
    std::span<const std::uint8_t> block_;
    std::uint64_t start_ = 0;
    std::uint64_t next_ = 0;
    std::uint64_t end_ = 0;
    ByteCheck check_ = ByteCheck::medium;
};

}  // namespace zonebridge::zbc
