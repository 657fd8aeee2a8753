// Big-endian fields in a run of bytes, bounds-checked: every SCSI structure is read and written
// through these, never by casting a pointer.
//
// Threads: plain values.
// Ownership: views borrow their bytes.
//
// Reading past the end gives zeroes, as a SCSI field that was not transferred counts as zero; ask
// covers() where the difference matters. Writing past the end is dropped, as a reply is cut at the
// allocation length. So no length that a peer chose can lead outside the bytes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace zonebridge::zbc {

class ByteView {
  public:
    ByteView() = default;
    explicit ByteView(std::span<const std::uint8_t> bytes) noexcept : bytes_(bytes) {}

    [[nodiscard]] std::size_t size() const noexcept { return bytes_.size(); }
    [[nodiscard]] bool covers(std::size_t offset, std::size_t length) const noexcept {
        return offset <= bytes_.size() && length <= bytes_.size() - offset;
    }

    [[nodiscard]] std::uint8_t u8(std::size_t offset) const noexcept {
        return offset < bytes_.size() ? bytes_[offset] : std::uint8_t{0};
    }
    [[nodiscard]] bool bit(std::size_t offset, unsigned number) const noexcept {
        return (u8(offset) >> number & 1) != 0;
    }
    [[nodiscard]] std::uint16_t be16(std::size_t offset) const noexcept {
        return static_cast<std::uint16_t>(u8(offset) << 8 | u8(offset + 1));
    }
    [[nodiscard]] std::uint32_t be24(std::size_t offset) const noexcept {
        return static_cast<std::uint32_t>(u8(offset)) << 16 | be16(offset + 1);
    }
    [[nodiscard]] std::uint32_t be32(std::size_t offset) const noexcept {
        return static_cast<std::uint32_t>(be16(offset)) << 16 | be16(offset + 2);
    }
    [[nodiscard]] std::uint64_t be64(std::size_t offset) const noexcept {
        return static_cast<std::uint64_t>(be32(offset)) << 32 | be32(offset + 4);
    }
    /// What there is of [offset, offset + length).
    [[nodiscard]] ByteView sub(std::size_t offset, std::size_t length) const noexcept {
        if (offset >= bytes_.size()) return {};
        return ByteView(bytes_.subspan(offset, std::min(length, bytes_.size() - offset)));
    }
    [[nodiscard]] std::span<const std::uint8_t> bytes() const noexcept { return bytes_; }

  private:
    std::span<const std::uint8_t> bytes_;
};

class ByteWriter {
  public:
    explicit ByteWriter(std::span<std::uint8_t> bytes) noexcept : bytes_(bytes) {}

    [[nodiscard]] std::size_t size() const noexcept { return bytes_.size(); }

    void clear(std::size_t offset, std::size_t length) noexcept {
        for (std::size_t i = 0; i < length; ++i) u8(offset + i, 0);
    }
    void u8(std::size_t offset, std::uint64_t value) noexcept {
        if (offset < bytes_.size()) bytes_[offset] = static_cast<std::uint8_t>(value);
    }
    void be16(std::size_t offset, std::uint64_t value) noexcept { put(offset, value, 2); }
    void be24(std::size_t offset, std::uint64_t value) noexcept { put(offset, value, 3); }
    void be32(std::size_t offset, std::uint64_t value) noexcept { put(offset, value, 4); }
    void be64(std::size_t offset, std::uint64_t value) noexcept { put(offset, value, 8); }
    /// `text` left-aligned in `width` bytes, filled up with spaces; what is not a printable ASCII
    /// character becomes a space (SPC-4 4.4.1 "ASCII data field requirements").
    void ascii(std::size_t offset, std::string_view text, std::size_t width) noexcept {
        for (std::size_t i = 0; i < width; ++i) {
            const char c = i < text.size() ? text[i] : ' ';
            u8(offset + i, c >= ' ' && c <= '~' ? static_cast<std::uint8_t>(c) : ' ');
        }
    }

  private:
    void put(std::size_t offset, std::uint64_t value, std::size_t width) noexcept {
        for (std::size_t i = 0; i < width; ++i) u8(offset + i, value >> 8 * (width - 1 - i));
    }

    std::span<std::uint8_t> bytes_;
};

}  // namespace zonebridge::zbc
