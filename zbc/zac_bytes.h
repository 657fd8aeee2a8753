// Little-endian fields, which is what ATA's own structures are made of.
//
// Threads: pure functions.
// Ownership: none.
#pragma once

#include <cstddef>
#include <cstdint>

#include "zbc/bytes.h"

namespace zonebridge::zbc::zac {

/// Past the end there are zeroes, as in ByteView.
[[nodiscard]] inline std::uint16_t le16(ByteView bytes, std::size_t offset) noexcept {
    return static_cast<std::uint16_t>(bytes.u8(offset) | bytes.u8(offset + 1) << 8);
}
[[nodiscard]] inline std::uint32_t le32(ByteView bytes, std::size_t offset) noexcept {
    return static_cast<std::uint32_t>(le16(bytes, offset + 2)) << 16 | le16(bytes, offset);
}
[[nodiscard]] inline std::uint64_t le64(ByteView bytes, std::size_t offset) noexcept {
    return static_cast<std::uint64_t>(le32(bytes, offset + 4)) << 32 | le32(bytes, offset);
}

}  // namespace zonebridge::zbc::zac
