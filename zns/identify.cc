#include "zns/identify.h"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "base/bytes.h"
#include "zns/command.h"

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

constexpr unsigned least_page_shift = 12;

/// The smaller of `most` and 2^exponent pages; exponent 0 means no limit.
std::uint64_t within(std::uint64_t most, std::uint8_t exponent) {
    if (exponent == 0 || exponent + least_page_shift >= 64) return most;
    return std::min(most, std::uint64_t{1} << (exponent + least_page_shift));
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

Limits limits_of(const Controller& controller, const Namespace& space,
                 const std::optional<ZonedNamespace>& zoned, std::uint8_t zasl,
                 const HostBounds& host) {
    Limits limits;
    limits.logical_block_size = space.block_size;
    limits.physical_block_size = space.block_size;

    auto most = std::min(host.max_transfer, std::uint64_t{max_blocks} * space.block_size);
    most = within(most, controller.mdts);
    limits.max_transfer = std::max<std::uint64_t>(most - most % space.block_size, space.block_size);
    limits.max_segments = std::max(host.max_segments, 1U);
    limits.fua = Support::native;
    if (!zoned) return limits;

    limits.model = Model::host_managed;
    limits.append = Support::native;
    // Select All does to the same zones what the model wants, except for OPEN: where the limit does
    // not allow all zones, devices have opened some of them when they report the error.
    limits.native_all =
        ZoneActions().with(ZoneAction::close).with(ZoneAction::finish).with(ZoneAction::reset);
    const auto append = within(limits.max_transfer, zasl);
    limits.max_append =
        std::max<std::uint64_t>(append - append % space.block_size, space.block_size);
    limits.max_open = zoned->max_open;
    limits.max_active = zoned->max_active;
    limits.reads_across_zones = zoned->reads_across_zones;
    return limits;
}

}  // namespace zonebridge::zns
