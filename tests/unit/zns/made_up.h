// NVMe structures as a device sends them, for tests to fill in and to corrupt.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace zonebridge::test {

class Bytes {
  public:
    explicit Bytes(std::size_t size = 4096) : bytes_(size) {}

    Bytes& put(std::size_t offset, std::uint64_t value, std::size_t size) {
        for (std::size_t i = 0; i < size; ++i)  // zeroes behind the value's 8 bytes
            bytes_.at(offset + i) = static_cast<std::uint8_t>(i < 8 ? value >> (8 * i) : 0);
        return *this;
    }
    Bytes& text(std::size_t offset, std::string_view text) {
        for (std::size_t i = 0; i < text.size(); ++i)
            bytes_.at(offset + i) = static_cast<std::uint8_t>(text[i]);
        return *this;
    }
    [[nodiscard]] const std::vector<std::uint8_t>& all() const noexcept { return bytes_; }

  private:
    std::vector<std::uint8_t> bytes_;
};

/// Identify Namespace data: `blocks` blocks of 2^shift bytes, a single format.
inline Bytes namespace_data(std::uint64_t blocks, unsigned shift) {
    return Bytes().put(0, blocks, 8).put(128 + 2, shift, 1);
}

/// Identify Namespace data of the zoned command set; limits are 0's based, all ones mean no limit.
inline Bytes zoned_data(std::uint64_t zone_blocks, std::uint32_t mar = 0xFFFFFFFF,
                        std::uint32_t mor = 0xFFFFFFFF) {
    return Bytes().put(4, mar, 4).put(8, mor, 4).put(2816, zone_blocks, 8);
}

struct Descriptor {
    unsigned state = 1;
    std::uint64_t start = 0;
    std::uint64_t capacity = 0;
    std::uint64_t pointer = 0;
    unsigned type = 2;
    unsigned attributes = 0;
};

inline Bytes& describe(Bytes& report, std::size_t place, const Descriptor& zone) {
    return report.put(place, zone.type, 1)
        .put(place + 1, zone.state << 4, 1)
        .put(place + 2, zone.attributes, 1)
        .put(place + 8, zone.capacity, 8)
        .put(place + 16, zone.start, 8)
        .put(place + 24, zone.pointer, 8);
}

}  // namespace zonebridge::test
