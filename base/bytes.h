// Bounds-checked big-endian and little-endian fields in a run of bytes. Every structure of SCSI,
// ATA, NVMe, virtio and the emulated disk's file is read and written through these classes, never
// by casting a pointer. Views borrow their bytes.
//
// Reads past the end return zeroes, because a SCSI field that was not transferred counts as zero;
// call covers() where the difference matters. Writes past the end are dropped, because a reply is
// cut at the allocation length. So no length that a peer chose leads outside the bytes.
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace zonebridge {

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
        return be<std::uint16_t>(offset);
    }
    [[nodiscard]] std::uint32_t be24(std::size_t offset) const noexcept {
        return be<std::uint32_t, 3>(offset);
    }
    [[nodiscard]] std::uint32_t be32(std::size_t offset) const noexcept {
        return be<std::uint32_t>(offset);
    }
    [[nodiscard]] std::uint64_t be64(std::size_t offset) const noexcept {
        return be<std::uint64_t>(offset);
    }
    [[nodiscard]] std::uint16_t le16(std::size_t offset) const noexcept {
        return le<std::uint16_t>(offset);
    }
    [[nodiscard]] std::uint32_t le32(std::size_t offset) const noexcept {
        return le<std::uint32_t>(offset);
    }
    [[nodiscard]] std::uint64_t le64(std::size_t offset) const noexcept {
        return le<std::uint64_t>(offset);
    }
    /// The part of [offset, offset + length) that exists.
    [[nodiscard]] ByteView sub(std::size_t offset, std::size_t length) const noexcept {
        if (offset >= bytes_.size()) return {};
        return ByteView(bytes_.subspan(offset, std::min(length, bytes_.size() - offset)));
    }
    [[nodiscard]] std::span<const std::uint8_t> bytes() const noexcept { return bytes_; }

  private:
    // Compilers turn each of these into one load when all the bytes are there.
    template <std::size_t width>
    [[nodiscard]] std::array<std::uint8_t, width> raw(std::size_t offset) const noexcept {
        std::array<std::uint8_t, width> bytes{};
        if (covers(offset, width)) [[likely]]
            std::memcpy(bytes.data(), bytes_.data() + offset, width);
        else if (offset < bytes_.size())
            std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(offset),
                        bytes_.size() - offset, bytes.begin());
        return bytes;
    }
    template <std::unsigned_integral T, std::size_t width = sizeof(T)>
    [[nodiscard]] T be(std::size_t offset) const noexcept {
        const auto bytes = raw<width>(offset);
        T value = 0;
        for (std::size_t i = 0; i < width; ++i)
            value = static_cast<T>(value | T{bytes[i]} << 8 * (width - 1 - i));
        return value;
    }
    template <std::unsigned_integral T>
    [[nodiscard]] T le(std::size_t offset) const noexcept {
        const auto bytes = raw<sizeof(T)>(offset);
        T value = 0;
        for (std::size_t i = 0; i < sizeof(T); ++i)
            value = static_cast<T>(value | T{bytes[i]} << 8 * i);
        return value;
    }

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
    void be16(std::size_t offset, std::uint64_t value) noexcept { put_be<2>(offset, value); }
    void be24(std::size_t offset, std::uint64_t value) noexcept { put_be<3>(offset, value); }
    void be32(std::size_t offset, std::uint64_t value) noexcept { put_be<4>(offset, value); }
    void be64(std::size_t offset, std::uint64_t value) noexcept { put_be<8>(offset, value); }
    void le16(std::size_t offset, std::uint64_t value) noexcept { put_le<2>(offset, value); }
    void le32(std::size_t offset, std::uint64_t value) noexcept { put_le<4>(offset, value); }
    void le64(std::size_t offset, std::uint64_t value) noexcept { put_le<8>(offset, value); }
    /// Writes `text` left-aligned in `width` bytes and pads it with spaces; a character that is not
    /// printable ASCII becomes a space (SPC-4 4.4.1 "ASCII data field requirements").
    void ascii(std::size_t offset, std::string_view text, std::size_t width) noexcept {
        for (std::size_t i = 0; i < width; ++i) {
            const char c = i < text.size() ? text[i] : ' ';
            u8(offset + i, c >= ' ' && c <= '~' ? static_cast<std::uint8_t>(c) : ' ');
        }
    }

  private:
    template <std::size_t width>
    void put_be(std::size_t offset, std::uint64_t value) noexcept {
        std::array<std::uint8_t, width> bytes;
        for (std::size_t i = 0; i < width; ++i)
            bytes[i] = static_cast<std::uint8_t>(value >> 8 * (width - 1 - i));
        put(offset, bytes);
    }
    template <std::size_t width>
    void put_le(std::size_t offset, std::uint64_t value) noexcept {
        std::array<std::uint8_t, width> bytes;
        for (std::size_t i = 0; i < width; ++i)
            bytes[i] = static_cast<std::uint8_t>(value >> 8 * i);
        put(offset, bytes);
    }
    template <std::size_t width>
    void put(std::size_t offset, const std::array<std::uint8_t, width>& bytes) noexcept {
        if (offset >= bytes_.size()) return;
        if (bytes_.size() - offset >= width) [[likely]]
            std::memcpy(bytes_.data() + offset, bytes.data(), width);
        else
            std::copy_n(bytes.begin(), bytes_.size() - offset,
                        bytes_.begin() + static_cast<std::ptrdiff_t>(offset));
    }

    std::span<std::uint8_t> bytes_;
};

}  // namespace zonebridge
