#include "zbc/capacity.h"

#include "base/bytes.h"

namespace zonebridge::zbc {

std::size_t encode_read_capacity_10(const Unit& unit, std::span<std::uint8_t> bytes) noexcept {
    ByteWriter out(bytes);
    const auto last = unit.blocks - 1;
    out.be32(0, last < 0xFFFFFFFF ? last : 0xFFFFFFFF);
    out.be32(4, unit.block_size);
    return 8;
}

std::size_t encode_read_capacity_16(const Unit& unit, std::span<std::uint8_t> bytes) noexcept {
    ByteWriter out(bytes);
    out.clear(0, 32);
    out.be64(0, unit.blocks - 1);
    out.be32(8, unit.block_size);
    if (unit.zoned()) out.u8(12, 1 << 4);  // RC_BASIS
    out.u8(13, unit.physical_exponent);
    return 32;
}

std::uint64_t encode_lun(std::uint16_t number) noexcept {
    const std::uint64_t flat_space = number < 256 ? 0 : 0x4000;
    return (flat_space | number) << 48;
}

std::optional<std::size_t> encode_report_luns(std::span<const std::uint64_t> luns,
                                              std::uint8_t select,
                                              std::span<std::uint8_t> bytes) noexcept {
    const auto lists = select == 0x00 || select == 0x02;
    if (!lists && select != 0x01 && !(select >= 0x10 && select <= 0x12)) return std::nullopt;
    ByteWriter out(bytes);
    std::size_t end = 8;
    if (lists) {
        for (const auto lun : luns) {
            out.be64(end, lun);
            end += 8;
        }
    }
    out.be32(0, end - 8);
    out.be32(4, 0);
    return end;
}

}  // namespace zonebridge::zbc
