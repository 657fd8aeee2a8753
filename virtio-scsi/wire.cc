#include "virtio-scsi/wire.h"

#include <algorithm>

#include "base/bytes.h"

namespace zonebridge::virtio_scsi {
namespace {

constexpr std::size_t sense_size_at = 20;
constexpr std::size_t cdb_size_at = 24;

/// An event's address: Linux uses the number as it stands, and REPORT LUNS has small numbers
/// without 40h, too.
std::array<std::uint8_t, 8> event_address(std::uint16_t lun) noexcept {
    auto address = encode_address({.target = 0, .lun = lun, .report_luns = false});
    if (lun < 256) address[2] = 0;
    return address;
}

}  // namespace

std::optional<Address> decode_address(std::span<const std::uint8_t, 8> bytes) noexcept {
    const auto rest_is_zero = [&](std::size_t from) {
        return std::all_of(bytes.begin() + static_cast<std::ptrdiff_t>(from), bytes.end(),
                           [](auto byte) { return byte == 0; });
    };
    if (bytes[0] == 0xC1 && bytes[1] == 0x01 && rest_is_zero(2))
        return Address{.target = 0, .lun = 0, .report_luns = true};
    // Flat space (40h) or peripheral device addressing (00h), both one level deep.
    const auto method = bytes[2] & 0xC0;
    if (bytes[0] != 1 || (method != 0x40 && method != 0x00) || !rest_is_zero(4))
        return std::nullopt;
    return Address{.target = bytes[1],
                   .lun = static_cast<std::uint16_t>((bytes[2] & 0x3F) << 8 | bytes[3]),
                   .report_luns = false};
}

std::array<std::uint8_t, 8> encode_address(const Address& address) noexcept {
    if (address.report_luns) return {0xC1, 0x01};
    return {1, address.target, static_cast<std::uint8_t>(0x40 | (address.lun >> 8 & 0x3F)),
            static_cast<std::uint8_t>(address.lun)};
}

RequestHeader decode_request(std::span<const std::uint8_t, RequestHeader::size> bytes) noexcept {
    RequestHeader header;
    std::copy_n(bytes.begin(), header.lun.size(), header.lun.begin());
    header.id = ByteView(bytes).le64(8);
    return header;
}

std::array<std::uint8_t, ResponseHeader::size> encode(const ResponseHeader& header) noexcept {
    std::array<std::uint8_t, ResponseHeader::size> bytes{};
    ByteWriter fields(bytes);
    fields.le32(0, header.sense_length);
    fields.le32(4, header.residual);
    bytes[10] = header.status;
    bytes[11] = static_cast<std::uint8_t>(header.response);
    return bytes;
}

std::uint32_t decode_control_type(std::span<const std::uint8_t, 4> bytes) noexcept {
    return ByteView(bytes).le32(0);
}

TaskManagement decode_task_management(
    std::span<const std::uint8_t, TaskManagement::size> bytes) noexcept {
    TaskManagement request;
    const auto function = ByteView(bytes).le32(4);
    if (function <= static_cast<std::uint32_t>(TaskFunction::query_task_set))
        request.function = static_cast<TaskFunction>(function);
    std::copy_n(bytes.begin() + 8, request.lun.size(), request.lun.begin());
    request.id = ByteView(bytes).le64(16);
    return request;
}

std::array<std::uint8_t, Event::size> encode(const Event& event) noexcept {
    std::array<std::uint8_t, Event::size> bytes{};
    ByteWriter fields(bytes);
    fields.le32(0, event.event);
    std::copy(event.lun.begin(), event.lun.end(), bytes.begin() + 4);
    fields.le32(12, event.reason);
    return bytes;
}

Event transport_reset(std::uint16_t lun, TransportReset reason) noexcept {
    return {Event::transport_reset, event_address(lun), static_cast<std::uint32_t>(reason)};
}

Event parameter_change(std::uint16_t lun, const zbc::Sense& sense) noexcept {
    return {Event::parameter_change, event_address(lun),
            static_cast<std::uint32_t>(sense.ascq << 8 | sense.asc)};
}

std::array<std::uint8_t, Config::size> encode(const Config& config) noexcept {
    std::array<std::uint8_t, Config::size> bytes{};
    ByteWriter fields(bytes);
    fields.le32(0, config.num_queues);
    fields.le32(4, config.seg_max);
    fields.le32(8, config.max_sectors);
    fields.le32(12, config.cmd_per_lun);
    fields.le32(16, config.event_info_size);
    fields.le32(sense_size_at, config.sense_size);
    fields.le32(cdb_size_at, config.cdb_size);
    fields.le16(28, config.max_channel);
    fields.le16(30, config.max_target);
    fields.le32(32, config.max_lun);
    return bytes;
}

bool write_config(Config& config, std::span<const std::uint8_t, Config::size> bytes) noexcept {
    const auto sense_size = ByteView(bytes).le32(sense_size_at);
    const auto cdb_size = ByteView(bytes).le32(cdb_size_at);
    if (sense_size > 252 || cdb_size == 0 || cdb_size > 260) return false;
    config.sense_size = sense_size;
    config.cdb_size = cdb_size;
    return true;
}

}  // namespace zonebridge::virtio_scsi
