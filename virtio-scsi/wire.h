// The structures that a virtio-scsi driver and device exchange (virtio 1.2, 5.6), as plain values:
// decoded from and encoded into byte copies, never cast in place.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "virtio/slots.h"
#include "zbc/sense.h"

namespace zonebridge::virtio_scsi {

/// Virtqueue numbers (virtio 1.2, 5.6.2).
inline constexpr unsigned control_queue = 0;
inline constexpr unsigned event_queue = 1;
inline constexpr unsigned first_request_queue = 2;

/// Feature bits (5.6.3). Neither bidirectional commands nor protection information are offered.
inline constexpr std::uint64_t feature_hotplug = std::uint64_t{1} << 1;
inline constexpr std::uint64_t feature_change = std::uint64_t{1} << 2;

/// The "response" byte of a request (5.6.6.1).
enum class Response : std::uint8_t {
    ok = 0,
    overrun = 1,
    aborted = 2,
    bad_target = 3,
    reset = 4,
    busy = 5,
    transport_failure = 6,
    target_failure = 7,
    nexus_failure = 8,
    failure = 9,
    function_succeeded = 10,
    function_rejected = 11,
    incorrect_lun = 12,
};

/// The address of a request: {1, target, lun high | 40h, lun low, 0...} (5.6.6.1), or the well
/// known logical unit REPORT LUNS, {C1h, 01h, 0...}.
struct Address {
    std::uint8_t target = 0;
    std::uint16_t lun = 0;
    bool report_luns = false;

    friend bool operator==(const Address&, const Address&) = default;
};

/// Empty for an addressing method that virtio-scsi does not have.
[[nodiscard]] std::optional<Address> decode_address(
    std::span<const std::uint8_t, 8> bytes) noexcept;
[[nodiscard]] std::array<std::uint8_t, 8> encode_address(const Address& address) noexcept;

/// The device-readable head of a request, without its CDB: lun, id, task attribute, priority, crn.
struct RequestHeader {
    static constexpr std::size_t size = 19;

    std::array<std::uint8_t, 8> lun{};
    std::uint64_t id = 0;
};
[[nodiscard]] RequestHeader decode_request(
    std::span<const std::uint8_t, RequestHeader::size> bytes) noexcept;

/// The device-writable head of a request; the sense buffer of sense_size bytes follows.
struct ResponseHeader {
    static constexpr std::size_t size = 12;

    std::uint32_t sense_length = 0;
    std::uint32_t residual = 0;
    std::uint8_t status = 0;
    Response response = Response::ok;
};
[[nodiscard]] std::array<std::uint8_t, ResponseHeader::size> encode(
    const ResponseHeader& header) noexcept;

/// Control requests (5.6.6.2).
enum class ControlType : std::uint32_t {
    task_management = 0,
    notification_query = 1,
    notification_subscribe = 2,
};
enum class TaskFunction : std::uint32_t {
    abort_task = 0,
    abort_task_set = 1,
    clear_aca = 2,
    clear_task_set = 3,
    i_t_nexus_reset = 4,
    logical_unit_reset = 5,
    query_task = 6,
    query_task_set = 7,
};

struct TaskManagement {
    static constexpr std::size_t size = 24;

    std::optional<TaskFunction> function;  ///< Empty: a number the standard does not have.
    std::array<std::uint8_t, 8> lun{};
    std::uint64_t id = 0;  ///< Of the request to abort or query.
};
[[nodiscard]] std::uint32_t decode_control_type(std::span<const std::uint8_t, 4> bytes) noexcept;
[[nodiscard]] TaskManagement decode_task_management(
    std::span<const std::uint8_t, TaskManagement::size> bytes) noexcept;
/// An asynchronous notification query or subscription: type, lun, event_requested.
inline constexpr std::size_t notification_request_size = 16;

/// An event of the event queue (5.6.6.3).
struct Event {
    static constexpr std::size_t size = 16;
    static constexpr std::uint32_t missed = 0x80000000;
    static constexpr std::uint32_t none = 0;
    static constexpr std::uint32_t transport_reset = 1;
    static constexpr std::uint32_t notification = 2;
    static constexpr std::uint32_t parameter_change = 3;

    std::uint32_t event = none;
    std::array<std::uint8_t, 8> lun{};
    std::uint32_t reason = 0;
};
[[nodiscard]] std::array<std::uint8_t, Event::size> encode(const Event& event) noexcept;

/// The reason of a transport reset (5.6.6.3.1).
enum class TransportReset : std::uint32_t { rescan = 1, removed = 2 };
/// "Transport reset" of a unit of target 0, for feature_hotplug.
[[nodiscard]] Event transport_reset(std::uint16_t lun, TransportReset reason) noexcept;
/// "Parameter change" of such a unit (5.6.6.3.3), for feature_change: reports a unit attention.
[[nodiscard]] Event parameter_change(std::uint16_t lun, const zbc::Sense& sense) noexcept;

/// The configuration space (5.6.4); the driver may write the last two of its sizes.
struct Config {
    static constexpr std::size_t size = 36;
    static constexpr std::uint32_t default_sense_size = 96;
    static constexpr std::uint32_t default_cdb_size = 32;

    std::uint32_t num_queues = 1;
    std::uint32_t seg_max = virtio::default_seg_max;
    std::uint32_t max_sectors = 0xFFFF;
    std::uint32_t cmd_per_lun = 128;
    std::uint32_t event_info_size = Event::size;
    std::uint32_t sense_size = default_sense_size;
    std::uint32_t cdb_size = default_cdb_size;
    std::uint16_t max_channel = 0;
    /// Units are at target 0 only. But some drivers (Windows, OpenBSD) look at the targets and LUNs
    /// below these numbers, cut to 8 bits. These are QEMU's.
    std::uint16_t max_target = 255;
    std::uint32_t max_lun = 16383;
};
[[nodiscard]] std::array<std::uint8_t, Config::size> encode(const Config& config) noexcept;
/// Takes over the two fields that a driver may write; false, and no change, if one exceeds what a
/// request can carry (CDBs up to 260 bytes, sense up to 252: SPC-4).
[[nodiscard]] bool write_config(Config& config,
                                std::span<const std::uint8_t, Config::size> bytes) noexcept;

}  // namespace zonebridge::virtio_scsi
