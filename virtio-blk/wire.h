// The structures that a virtio-blk driver and device exchange (virtio 1.3, 5.2), as plain values:
// decoded from and encoded into byte copies, never cast in place. Positions and lengths on the wire
// are in sectors of 512 bytes, whatever the block size.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "zone/status.h"
#include "zone/types.h"

namespace zonebridge::virtio_blk {

inline constexpr std::uint64_t sector_size = 512;

/// Feature bits (5.2.3).
namespace feature {
inline constexpr std::uint64_t seg_max = std::uint64_t{1} << 2;
inline constexpr std::uint64_t read_only = std::uint64_t{1} << 5;
inline constexpr std::uint64_t block_size = std::uint64_t{1} << 6;
inline constexpr std::uint64_t flush = std::uint64_t{1} << 9;
inline constexpr std::uint64_t topology = std::uint64_t{1} << 10;
inline constexpr std::uint64_t config_wce = std::uint64_t{1} << 11;
inline constexpr std::uint64_t multiple_queues = std::uint64_t{1} << 12;
inline constexpr std::uint64_t discard = std::uint64_t{1} << 13;
inline constexpr std::uint64_t write_zeroes = std::uint64_t{1} << 14;
inline constexpr std::uint64_t zoned = std::uint64_t{1} << 17;
}  // namespace feature

/// The type of a request (5.2.6). SECURE ERASE and GET LIFETIME are not offered, and are unknown
/// here.
enum class RequestType : std::uint32_t {
    in = 0,
    out = 1,
    flush = 4,
    get_id = 8,
    discard = 11,
    write_zeroes = 13,
    zone_append = 15,
    zone_report = 16,
    zone_open = 18,
    zone_close = 20,
    zone_finish = 22,
    zone_reset = 24,
    zone_reset_all = 26,
};

/// The device-readable head of a request: le32 type, le32 reserved, le64 sector.
struct RequestHeader {
    static constexpr std::size_t size = 16;

    std::optional<RequestType> type;  ///< Empty: unknown to this device.
    std::uint64_t sector = 0;
};
[[nodiscard]] RequestHeader decode_request(
    std::span<const std::uint8_t, RequestHeader::size> bytes) noexcept;

/// Whether only a driver that accepted feature::zoned may send the request.
[[nodiscard]] bool is_zone_request(RequestType type) noexcept;

/// The status of a request: the last byte that the device writes (5.2.6).
enum class RequestStatus : std::uint8_t {
    ok = 0,
    io_error = 1,
    unsupported = 2,
    invalid_command = 3,
    unaligned_write_pointer = 4,
    open_resource = 5,
    active_resource = 6,
};

/// The status of a request of `type`, for a driver that accepted feature::zoned (virtio 1.3,
/// 5.2.6.2 and 5.2.6.4). A write to a read-only disk, and an error below, is an I/O error; an
/// operation that the zone does not allow is an invalid command, except for the three statuses for
/// zones.
[[nodiscard]] RequestStatus zoned_status(StatusCode code, RequestType type) noexcept;

/// The same for a driver that did not accept it, for which there are no zones.
[[nodiscard]] RequestStatus plain_status(StatusCode code) noexcept;

/// One range of a discard or a write of zeroes (5.2.6): le64 sector, le32 num_sectors, le32 flags.
struct ClearSegment {
    static constexpr std::size_t size = 16;

    std::uint64_t sector = 0;
    std::uint32_t sectors = 0;
    bool unmap = false;
    bool unknown_flags = false;
};
[[nodiscard]] ClearSegment decode_segment(
    std::span<const std::uint8_t, ClearSegment::size> bytes) noexcept;

/// The answer to GET_ID: text, padded with zeroes.
inline constexpr std::size_t id_size = 20;

/// A report's header, le64 nr_zones and 56 bytes reserved, and the descriptor of each zone.
inline constexpr std::size_t report_header_size = 64;
inline constexpr std::size_t zone_descriptor_size = 64;
[[nodiscard]] std::array<std::uint8_t, report_header_size> encode_report_header(
    std::uint64_t zones) noexcept;
/// A full zone's write pointer is its end; a write pointer that the standard leaves undefined is
/// all ones.
[[nodiscard]] std::array<std::uint8_t, zone_descriptor_size> encode(const Zone& zone) noexcept;

/// An append's answer before its status: the sector where the data was written.
inline constexpr std::size_t append_sector_size = 8;
[[nodiscard]] std::array<std::uint8_t, append_sector_size> encode_append_sector(
    std::uint64_t offset) noexcept;

}  // namespace zonebridge::virtio_blk
