// VERIFY in progress: which piece of the medium to read next, the comparison with the initiator's
// data, and the memory for the pieces.
//
// A verification may be longer than any transfer. It is read in pieces, and no piece leaves its zone,
// because on some disks a read may not.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <sys/uio.h>

#include "base/iovec.h"
#include "base/ring_buffer.h"
#include "zone/limits.h"

namespace zonebridge::zbc {

/// SBC-4 "BYTCHK field".
enum class ByteCheck : std::uint8_t {
    medium = 0,     ///< The blocks can be read; there is no data.
    all = 1,        ///< The blocks are equal to the data.
    one_block = 3,  ///< Each block is equal to the one block of data.
};

/// Nothing for the reserved value.
[[nodiscard]] std::optional<ByteCheck> parse_byte_check(std::uint8_t value) noexcept;

/// Borrows the layout, the data and the block from begin() on, and allocates nothing.
class VerifyRun {
  public:
    struct Next {
        std::uint64_t offset;
        std::uint64_t length;
    };

    /// All in bytes; requires a range on the disk that is not empty.
    void begin(const Layout& layout, std::uint64_t offset, std::uint64_t length,
               ByteCheck check) noexcept;
    /// What to compare the range with: the data, or with ByteCheck::one_block the block.
    void compare_with(std::span<const iovec> data) noexcept { data_ = IovecCursor(data); }
    void compare_with(std::span<const std::uint8_t> block) noexcept { block_ = block; }

    [[nodiscard]] ByteCheck check() const noexcept { return check_; }

    /// What to read next, at most `most` bytes; nothing when the range was compared.
    [[nodiscard]] std::optional<Next> next(std::uint64_t most) const noexcept;

    /// Takes the bytes of next(). The offset in the data of the first byte that differs, if one does;
    /// then the verification is over.
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

/// The memory that the verifications of a queue read into. One verification has it from its first
/// piece to its end, the others wait: VERIFY is rare, and memory for each would be most of a queue's.
/// Belongs to one thread.
class VerifyScratch {
  public:
    VerifyScratch(const Limits& limits, std::size_t depth);

    /// Whether the slot has the scratch from now on; if not, it waits.
    [[nodiscard]] bool take(std::uint32_t slot) noexcept;
    /// The slot that has waited longest, and has the scratch from now on; nothing if none waits.
    [[nodiscard]] std::optional<std::uint32_t> give_back() noexcept;

    /// Room for a piece: whole blocks.
    [[nodiscard]] std::span<std::uint8_t> piece() noexcept;
    /// Room for the one block of data.
    [[nodiscard]] std::span<std::uint8_t> block() noexcept;
    /// The first `length` bytes of piece(), as a request's buffers; until the next call.
    [[nodiscard]] std::span<const iovec> list(std::uint64_t length) noexcept;

  private:
    // A page of its own alignment, for disks that want that of what they read into.
    struct alignas(4096) Page {
        std::array<std::uint8_t, 4096> bytes;
    };

    std::size_t piece_;  // bytes
    std::size_t block_;
    std::unique_ptr<Page[]> pages_;
    iovec list_{};
    RingBuffer<std::uint32_t> waiting_;  // slots
    bool taken_ = false;
};

}  // namespace zonebridge::zbc
