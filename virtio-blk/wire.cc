#include "virtio-blk/wire.h"

#include <limits>

#include "base/bytes.h"

namespace zonebridge::virtio_blk {
namespace {

std::optional<RequestType> request_type(std::uint32_t number) noexcept {
    for (const auto type :
         {RequestType::in, RequestType::out, RequestType::flush, RequestType::get_id,
          RequestType::discard, RequestType::write_zeroes, RequestType::zone_append,
          RequestType::zone_report, RequestType::zone_open, RequestType::zone_close,
          RequestType::zone_finish, RequestType::zone_reset, RequestType::zone_reset_all})
        if (static_cast<std::uint32_t>(type) == number) return type;
    return std::nullopt;
}

std::uint64_t wire_pointer(const Zone& zone) noexcept {
    if (zone.write_pointer) return *zone.write_pointer / sector_size;
    if (zone.state == ZoneState::full) return (zone.start + zone.length) / sector_size;
    return std::numeric_limits<std::uint64_t>::max();
}

}  // namespace

RequestHeader decode_request(std::span<const std::uint8_t, RequestHeader::size> bytes) noexcept {
    const ByteView fields(bytes);
    return {.type = request_type(fields.le32(0)), .sector = fields.le64(8)};
}

ClearSegment decode_segment(std::span<const std::uint8_t, ClearSegment::size> bytes) noexcept {
    const ByteView fields(bytes);
    constexpr std::uint32_t unmap = 1;
    const auto flags = fields.le32(12);
    return {.sector = fields.le64(0),
            .sectors = fields.le32(8),
            .unmap = (flags & unmap) != 0,
            .unknown_flags = (flags & ~unmap) != 0};
}

bool is_zone_request(RequestType type) noexcept {
    switch (type) {
        case RequestType::in:
        case RequestType::out:
        case RequestType::flush:
        case RequestType::get_id:
        case RequestType::discard:
        case RequestType::write_zeroes:
            return false;
        case RequestType::zone_append:
        case RequestType::zone_report:
        case RequestType::zone_open:
        case RequestType::zone_close:
        case RequestType::zone_finish:
        case RequestType::zone_reset:
        case RequestType::zone_reset_all:
            return true;
    }
    return false;
}

RequestStatus zoned_status(StatusCode code, RequestType type) noexcept {
    const auto malformed =
        is_zone_request(type) ? RequestStatus::invalid_command : RequestStatus::io_error;
    switch (code) {
        case StatusCode::ok:
            return RequestStatus::ok;
        case StatusCode::unsupported:
            return RequestStatus::unsupported;
        case StatusCode::unaligned_write:
            return RequestStatus::unaligned_write_pointer;
        case StatusCode::misaligned:
            // A length below the block size is below the write granularity.
            return type == RequestType::zone_append ? RequestStatus::unaligned_write_pointer
                                                    : malformed;
        case StatusCode::too_many_open:
            return RequestStatus::open_resource;
        case StatusCode::too_many_active:
            return RequestStatus::active_resource;
        case StatusCode::invalid_request:
        case StatusCode::out_of_range:
        case StatusCode::too_large:
            return malformed;
        case StatusCode::not_sequential:
        case StatusCode::crosses_boundary:
        case StatusCode::read_crosses_boundary:
        case StatusCode::read_past_pointer:
        case StatusCode::invalid_transition:
        case StatusCode::zone_full:
        case StatusCode::zone_read_only:
        case StatusCode::zone_offline:
            return RequestStatus::invalid_command;
        case StatusCode::read_only:
        case StatusCode::no_space:
        case StatusCode::media_error:
        case StatusCode::io_error:
        case StatusCode::device_gone:
        case StatusCode::aborted:
            return RequestStatus::io_error;
    }
    return RequestStatus::io_error;
}

RequestStatus plain_status(StatusCode code) noexcept {
    if (code == StatusCode::ok) return RequestStatus::ok;
    if (code == StatusCode::unsupported) return RequestStatus::unsupported;
    return RequestStatus::io_error;
}

std::array<std::uint8_t, report_header_size> encode_report_header(std::uint64_t zones) noexcept {
    std::array<std::uint8_t, report_header_size> bytes{};
    ByteWriter(bytes).le64(0, zones);
    return bytes;
}

std::array<std::uint8_t, zone_descriptor_size> encode(const Zone& zone) noexcept {
    std::array<std::uint8_t, zone_descriptor_size> bytes{};
    ByteWriter fields(bytes);
    fields.le64(0, zone.capacity / sector_size);
    fields.le64(8, zone.start / sector_size);
    fields.le64(16, wire_pointer(zone));
    bytes[24] = static_cast<std::uint8_t>(zone.type);
    bytes[25] = static_cast<std::uint8_t>(zone.state);
    return bytes;
}

std::array<std::uint8_t, append_sector_size> encode_append_sector(std::uint64_t offset) noexcept {
    std::array<std::uint8_t, append_sector_size> bytes{};
    ByteWriter(bytes).le64(0, offset / sector_size);
    return bytes;
}

}  // namespace zonebridge::virtio_blk
