#include "tests/fuzz/blk_requests.h"

#include <algorithm>
#include <array>
#include <limits>

#include "base/bytes.h"

namespace zonebridge::fuzz {
namespace {

namespace blk = driver::blk;

constexpr std::size_t range_size = 16;

std::uint64_t some_sector(Input& input, const DiskOracle& oracle, std::uint8_t style,
                          std::uint8_t where, std::uint8_t near, bool of_zones) {
    const auto& zone = oracle.zones()[where % oracle.zones().size()];
    const auto step = oracle.shape().physical_block_size / sector_size;
    if (of_zones && (style & 7) < 6) return zone.start / sector_size;
    switch (style & 7) {
        case 0:
        case 1:
        case 2:
            return (zone.start + zone.written) / sector_size;
        case 3:
            return zone.start / sector_size + near % 64;
        case 4:
            return (zone.start + zone.capacity) / sector_size - near % 4 * step;
        case 5:
            return (zone.start + zone.length) / sector_size - near % 4;
        case 6:
            return oracle.size() / sector_size - near % 16;
        default:
            return input.number(8);
    }
}

std::uint64_t some_length(const DiskOracle& oracle, std::uint64_t sector, std::uint8_t style) {
    const std::uint64_t step = oracle.shape().physical_block_size;
    const std::uint64_t amount = style >> 3;
    switch (style & 7) {
        case 0:
        case 1:
        case 2:
            return (amount % 4 + 1) * step;
        case 3:
            return amount * sector_size;
        case 4:
        case 5: {
            if (sector >= oracle.size() / sector_size) return step;
            const auto at = sector * sector_size;
            const auto& zone = oracle.zone_at(at);
            const auto end = zone.start + (amount % 2 == 0 ? zone.capacity : zone.length);
            return at < end ? end - at : step;
        }
        case 6:
            return amount * 317;
        default:
            return amount * 2048;
    }
}

}  // namespace

std::vector<std::uint8_t> BlkRequest::readable() const {
    std::vector<std::uint8_t> bytes(16 + out.size());
    ByteWriter(bytes).le32(0, type);
    ByteWriter(bytes).le64(8, sector);
    std::copy(out.begin(), out.end(), bytes.begin() + 16);
    return bytes;
}

BlkRequest some_blk_request(Input& input, const DiskOracle& oracle, std::uint64_t with) {
    constexpr std::array types{blk::in,     blk::out,     blk::append,       blk::out,
                               blk::append, blk::report,  blk::open,         blk::close,
                               blk::finish, blk::reset,   blk::reset_all,    blk::flush,
                               blk::get_id, blk::discard, blk::write_zeroes, blk::in};
    const auto choice = input.byte();
    const auto style = input.byte();
    const auto size = input.byte();
    const auto where = input.byte();
    const auto near = input.byte();
    BlkRequest request;
    request.type =
        choice >= 0xF0 ? static_cast<std::uint32_t>(input.number(4)) : types[choice & 15];
    const auto of_zones = request.type >= blk::append;
    request.sector = some_sector(input, oracle, style, where, near, of_zones);
    const auto length = std::min(some_length(oracle, request.sector, size), most_data);
    switch (request.type) {
        case blk::in:
            request.in_length = length;
            break;
        case blk::append:
            request.in_length = (style & 0x18) == 0x18 ? near % 20 : 15;
            [[fallthrough]];
        case blk::out:
            request.out.resize(length);
            stamp(request.out, with);
            break;
        case blk::report:
            request.in_length = 64 + std::uint64_t{size} * 16;
            break;
        case blk::get_id:
            request.in_length = size % 2 == 0 ? 20 : size;
            break;
        case blk::discard:
        case blk::write_zeroes: {
            const auto count = (style & 0x18) == 0x18 ? near % 4 : 1;
            const auto flags = (style & 0x60) == 0x60 ? near % 4 : 0;
            request.out.resize(count * range_size + ((style & 0x80) != 0 ? near % 3 : 0));
            for (int i = 0; i < count; ++i) {
                const auto at = static_cast<std::size_t>(i) * range_size;
                ByteWriter(request.out)
                    .le64(at, i == 0 ? request.sector
                                     : some_sector(input, oracle, style, where + i, near, false));
                ByteWriter(request.out)
                    .le32(at + 8, static_cast<std::uint32_t>(length / sector_size));
                ByteWriter(request.out).le32(at + 12, static_cast<std::uint32_t>(flags));
            }
            request.sector = 0;
            break;
        }
        default:
            break;
    }
    return request;
}

std::uint64_t byte_of_sector(std::uint64_t sector) noexcept {
    constexpr auto last = std::numeric_limits<std::uint64_t>::max();
    return sector <= last / sector_size ? sector * sector_size : last;
}

std::vector<ClearRange> ranges_of(const BlkRequest& request) {
    std::vector<ClearRange> ranges;
    for (std::size_t at = 0; at + range_size <= request.out.size(); at += range_size)
        ranges.push_back({byte_of_sector(ByteView(request.out).le64(at)),
                          ByteView(request.out).le32(at + 8) * sector_size,
                          ByteView(request.out).le32(at + 12)});
    return ranges;
}

}  // namespace zonebridge::fuzz
