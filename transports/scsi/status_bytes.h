// The status numbers of a command: SAM's status codes and Linux's host and driver bytes.
#pragma once

#include <cstdint>

namespace zonebridge::scsi {

/// SAM-5 "Status codes".
namespace sam {
inline constexpr std::uint8_t good = 0x00;
inline constexpr std::uint8_t check_condition = 0x02;
inline constexpr std::uint8_t condition_met = 0x04;
inline constexpr std::uint8_t busy = 0x08;
inline constexpr std::uint8_t reservation_conflict = 0x18;
inline constexpr std::uint8_t task_set_full = 0x28;
inline constexpr std::uint8_t aca_active = 0x30;
inline constexpr std::uint8_t task_aborted = 0x40;
}  // namespace sam

/// Linux's include/scsi/scsi_status.h, DID_*: the host adapter's and the kernel's result.
namespace host_byte {
inline constexpr std::uint16_t no_connect = 0x01;
inline constexpr std::uint16_t bus_busy = 0x02;
inline constexpr std::uint16_t time_out = 0x03;
inline constexpr std::uint16_t bad_target = 0x04;
inline constexpr std::uint16_t aborted = 0x05;
inline constexpr std::uint16_t reset = 0x08;
inline constexpr std::uint16_t soft_error = 0x0B;
inline constexpr std::uint16_t imm_retry = 0x0C;
inline constexpr std::uint16_t requeue = 0x0D;
inline constexpr std::uint16_t transport_disrupted = 0x0E;
inline constexpr std::uint16_t transport_failfast = 0x0F;
inline constexpr std::uint16_t target_failure = 0x10;
inline constexpr std::uint16_t alloc_failure = 0x12;
inline constexpr std::uint16_t medium_error = 0x13;
inline constexpr std::uint16_t transport_marginal = 0x14;
}  // namespace host_byte

/// The low half of the driver byte, which kernels before 5.14 set: DRIVER_*.
namespace driver_byte {
inline constexpr std::uint16_t mask = 0x07;  // above it are suggestions, and the sense bit
inline constexpr std::uint16_t busy = 0x01;
inline constexpr std::uint16_t time_out = 0x06;
}  // namespace driver_byte

}  // namespace zonebridge::scsi
