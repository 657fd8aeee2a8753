#include "zns/identify.h"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "base/bytes.h"

namespace zonebridge::zns {
namespace {

/// No block is smaller than a SCSI sector, and no manufacturer makes blocks larger than 1 MiB.
constexpr unsigned least_block_shift = 9;
constexpr unsigned most_block_shift = 20;

/// A text field: a character that is not printable ASCII becomes a question mark, spaces at both
/// ends go.
std::string text_of(std::span<const std::uint8_t> field) {
    std::string text;
    for (const auto byte : field)
        text += byte >= 0x20 && byte < 0x7F ? static_cast<char>(byte) : byte == 0 ? ' ' : '?';
    text.erase(text.find_last_not_of(' ') + 1);
    text.erase(0, text.find_first_not_of(' '));
    return text;
}

/// A 0's based count; all ones mean "no limit".
std::optional<std::uint32_t> count_of(std::uint32_t field) {
    if (field == std::numeric_limits<std::uint32_t>::max()) return std::nullopt;
    return field + 1;
}

}  // namespace

Controller decode_controller(std::span<const std::uint8_t> data) {
    const ByteView fields(data);
    return {.serial = text_of(fields.sub(4, 20).bytes()),
            .model = text_of(fields.sub(24, 40).bytes()),
            .firmware = text_of(fields.sub(64, 8).bytes()),
            .mdts = fields.u8(77),
            .volatile_cache = (fields.u8(525) & 1) != 0};
}

tl::expected<Namespace, std::string> decode_namespace(std::span<const std::uint8_t> data) {
    const ByteView fields(data);
    Namespace found;
    found.blocks = fields.le64(0);
    if (found.blocks == 0)
        return tl::make_unexpected(std::string("the namespace has no size: it is not active"));
    const auto formats = fields.u8(25) + 1U;
    const auto flbas = fields.u8(26);
    found.format = static_cast<std::uint8_t>((flbas & 0xF) | (flbas >> 5 & 3) << 4);
    if (found.format >= formats)
        return tl::unexpected(fmt::format("the namespace says that it has LBA format {} of {}",
                                          found.format, formats));

    const auto place = 128 + found.format * 4U;
    const auto metadata = fields.le16(place);
    const auto shift = fields.u8(place + 2);
    if (metadata != 0)
        return tl::unexpected(
            fmt::format("its blocks have {} bytes of metadata each, which is not supported; "
                        "format it with an LBA format that has none ('nvme id-ns' lists them)",
                        metadata));
    if (shift < least_block_shift || shift > most_block_shift)
        return tl::unexpected(fmt::format(
            "the namespace says that a block has 2^{} bytes, which can't be or is not supported",
            shift));
    found.block_size = 1U << shift;
    if (found.blocks > std::uint64_t{std::numeric_limits<std::int64_t>::max()} >> shift)
        return tl::unexpected(fmt::format("the namespace says that it has {} blocks of {} bytes",
                                          found.blocks, found.block_size));
    found.write_protected = (fields.u8(99) & 1) != 0;
    const auto nguid = fields.sub(104, 16).bytes();
    std::copy(nguid.begin(), nguid.end(), found.nguid.begin());
    const auto eui64 = fields.sub(120, 8).bytes();
    std::copy(eui64.begin(), eui64.end(), found.eui64.begin());
    return found;
}

tl::expected<ZonedNamespace, std::string> decode_zoned_namespace(std::span<const std::uint8_t> data,
                                                                 std::uint8_t format) {
    const ByteView fields(data);
    ZonedNamespace found;
    found.reads_across_zones = (fields.le16(2) & 1) != 0;
    found.max_active = count_of(fields.le32(4));
    found.max_open = count_of(fields.le32(8));
    const auto place = 2816 + format * 16U;
    found.zone_blocks = fields.le64(place);
    if (found.zone_blocks == 0)
        return tl::make_unexpected(std::string("the namespace says that its zones have no size"));
    if (found.max_open && found.max_active && *found.max_open > *found.max_active)
        return tl::unexpected(fmt::format(
            "the namespace says that {} zones may be open, and {} active, which includes the open",
            *found.max_open, *found.max_active));
    return found;
}

std::uint8_t decode_zasl(std::span<const std::uint8_t> data) noexcept {
    return ByteView(data).u8(0);
}

std::optional<std::uint8_t> decode_command_set(std::span<const std::uint8_t> data) noexcept {
    constexpr std::uint8_t command_set_descriptor = 4;
    const ByteView fields(data);
    for (std::size_t place = 0; fields.covers(place, 4);) {
        const auto type = fields.u8(place);
        const auto length = fields.u8(place + 1);
        if (length == 0) break;
        if (type == command_set_descriptor && fields.covers(place + 4, 1))
            return fields.u8(place + 4);
        place += 4U + length;
    }
    return std::nullopt;
}

}  // namespace zonebridge::zns
