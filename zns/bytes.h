// Little-endian fields in a run of bytes, bounds-checked: every NVMe structure that a device sent is
// read through this, never by casting a pointer.
//
// Threads: plain values.
// Ownership: a view borrows its bytes.
//
// Reading past the end gives zeroes; ask covers() where the difference matters.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace zonebridge::zns {

class ByteView {
  public:
    explicit ByteView(std::span<const std::uint8_t> bytes) noexcept : bytes_(bytes) {}

    [[nodiscard]] bool covers(std::size_t offset, std::size_t length) const noexcept {
        return offset <= bytes_.size() && length <= bytes_.size() - offset;
    }
    [[nodiscard]] std::uint8_t u8(std::size_t offset) const noexcept {
        return offset < bytes_.size() ? bytes_[offset] : std::uint8_t{0};
    }
    [[nodiscard]] std::uint16_t le16(std::size_t offset) const noexcept {
        return static_cast<std::uint16_t>(u8(offset) | u8(offset + 1) << 8);
    }
    [[nodiscard]] std::uint32_t le32(std::size_t offset) const noexcept {
        return le16(offset) | static_cast<std::uint32_t>(le16(offset + 2)) << 16;
    }
    [[nodiscard]] std::uint64_t le64(std::size_t offset) const noexcept {
        return le32(offset) | static_cast<std::uint64_t>(le32(offset + 4)) << 32;
    }
    /// What there is of [offset, offset + length).
    [[nodiscard]] std::span<const std::uint8_t> sub(std::size_t offset,
                                                    std::size_t length) const noexcept {
        if (offset >= bytes_.size()) return {};
        const auto rest = bytes_.size() - offset;
        return bytes_.subspan(offset, length < rest ? length : rest);
    }

  private:
    std::span<const std::uint8_t> bytes_;
};

}  // namespace zonebridge::zns
