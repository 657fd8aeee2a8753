#include "zbc/report_decode.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "zbc/bytes.h"

namespace zonebridge::zbc {
namespace {

constexpr std::uint8_t condition_inactive = 0x5;

tl::expected<ReportedType, std::string> read_type(std::uint8_t value) {
    const auto type = static_cast<ReportedType>(value);
    switch (type) {
        case ReportedType::conventional:
        case ReportedType::sequential_write_required:
        case ReportedType::sequential_write_preferred:
        case ReportedType::gap:
            return type;
        case ReportedType::sequential_or_before_required:
            return tl::unexpected(
                std::string("it is a sequential or before required zone, which is not supported"));
    }
    return tl::unexpected(fmt::format("its type {:X}h is reserved", value));
}

tl::expected<ZoneState, std::string> read_state(std::uint8_t condition) {
    if (condition == condition_inactive)
        return tl::unexpected(std::string(
            "it is inactive (a disk with zone domains or realms), which is not supported"));
    const auto state = zone_state_of(condition);
    if (!state) return tl::unexpected(fmt::format("its condition {:X}h is reserved", condition));
    return *state;
}

bool has_pointer(ZoneState state) noexcept {
    switch (state) {
        case ZoneState::empty:
        case ZoneState::implicit_open:
        case ZoneState::explicit_open:
        case ZoneState::closed:
            return true;
        case ZoneState::not_write_pointer:
        case ZoneState::read_only:
        case ZoneState::full:
        case ZoneState::offline:
            return false;
    }
    return false;
}

}  // namespace

std::optional<ReportListHeader> decode_report_header(std::span<const std::uint8_t> bytes) noexcept {
    const ByteView view(bytes);
    if (!view.covers(0, report_header_length)) return std::nullopt;
    return ReportListHeader{view.be32(0), view.be64(8), view.be64(16)};
}

std::optional<RawZone> decode_zone_descriptor(std::span<const std::uint8_t> bytes,
                                              std::size_t index) noexcept {
    if (index >= bytes.size() / zone_descriptor_length) return std::nullopt;
    const auto at = report_header_length + index * zone_descriptor_length;
    if (!ByteView(bytes).covers(at, zone_descriptor_length)) return std::nullopt;
    const ByteView view(bytes.subspan(at, zone_descriptor_length));
    return RawZone{static_cast<std::uint8_t>(view.u8(0) & 0x0F),
                   static_cast<std::uint8_t>(view.u8(1) >> 4), view.be64(8), view.be64(16),
                   view.be64(24)};
}

std::size_t descriptors_in(const ReportListHeader& header, std::size_t reply_bytes) noexcept {
    if (reply_bytes < report_header_length) return 0;
    return std::min<std::size_t>(header.list_bytes, reply_bytes - report_header_length) /
           zone_descriptor_length;
}

tl::expected<ReportedZone, std::string> read_zone(const RawZone& raw, std::uint32_t block_size) {
    const auto most = std::numeric_limits<std::uint64_t>::max() / std::max(block_size, 1U);
    if (raw.length == 0) return tl::unexpected(std::string("it has no length"));
    if (raw.start > most || raw.length > most - raw.start)
        return tl::unexpected(
            fmt::format("its length of {} blocks is more than a disk can have", raw.length));

    const auto type = read_type(raw.type);
    if (!type) return tl::unexpected(type.error());
    ReportedZone zone{*type, ZoneState::not_write_pointer, raw.start * block_size,
                      raw.length * block_size, std::nullopt};
    if (*type == ReportedType::gap) return zone;
    const auto state = read_state(raw.condition);
    if (!state) return tl::unexpected(state.error());
    zone.state = *state;

    if (*type == ReportedType::conventional) {
        if (has_pointer(*state) || *state == ZoneState::full)
            return tl::unexpected(
                fmt::format("it is conventional, but its condition is {}", to_string(*state)));
        return zone;
    }
    if (*state == ZoneState::not_write_pointer)
        return tl::unexpected(std::string("it is sequential, but has no write pointer"));
    if (!has_pointer(*state)) return zone;
    if (raw.write_pointer < raw.start || raw.write_pointer - raw.start > raw.length)
        return tl::unexpected(
            fmt::format("its write pointer, block {}, is outside of it", raw.write_pointer));
    zone.write_pointer = raw.write_pointer * block_size;
    return zone;
}

tl::expected<std::optional<Zone>, std::string> ZoneFolder::add(const ReportedZone& zone) {
    if (zone.type == ReportedType::gap) {
        if (!pending_)
            return tl::unexpected(std::string("it is a gap, but no zone comes before it"));
        if (pending_->type == ZoneType::conventional)
            return tl::unexpected(std::string("it is a gap behind a conventional zone"));
        if (zone.start != pending_->start + pending_->length)
            return tl::unexpected(
                std::string("it is a gap that does not begin where the zone before it ends"));
        pending_->length += zone.length;
        return std::nullopt;
    }
    return std::exchange(pending_, Zone{zone.start, zone.length, zone.length, zone.write_pointer,
                                        static_cast<ZoneType>(zone.type), zone.state});
}

std::optional<Zone> ZoneFolder::finish() noexcept {
    return std::exchange(pending_, std::nullopt);
}

}  // namespace zonebridge::zbc
