// How an ATA command ended, as a SATL reports it: the ATA registers inside sense data, and what the
// registers and the sense data mean together.
//
// SAT-4 "ATA PASS-THROUGH sense data". The fixed format has no room for all registers: it has the lower
// parts of COUNT and LBA, and a bit each for upper parts that are not zero.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "zbc/sense.h"
#include "zone/request.h"
#include "zone/status.h"

namespace zonebridge::zbc::zac {

struct Registers {
    // STATUS
    static constexpr std::uint8_t busy = 0x80;
    static constexpr std::uint8_t device_fault = 0x20;
    static constexpr std::uint8_t sense_available = 0x02;
    static constexpr std::uint8_t failed = 0x01;
    // ERROR
    static constexpr std::uint8_t interface_crc = 0x80;
    static constexpr std::uint8_t uncorrectable = 0x40;
    static constexpr std::uint8_t id_not_found = 0x10;
    static constexpr std::uint8_t aborted = 0x04;

    std::uint8_t status = 0;
    std::uint8_t error = 0;
    std::uint8_t device = 0;
    std::uint16_t count = 0;
    std::uint64_t lba = 0;
    bool extend = false;
    /// Upper parts of COUNT or LBA that are not zero did not fit.
    bool cut = false;

    [[nodiscard]] bool ok() const noexcept {
        return (status & (busy | device_fault | failed)) == 0;
    }
    friend bool operator==(const Registers&, const Registers&) = default;
};

/// From the ATA Status Return descriptor, or from the fixed format's INFORMATION and
/// COMMAND-SPECIFIC INFORMATION fields. Nothing if neither is there.
[[nodiscard]] std::optional<Registers> decode_registers(
    std::span<const std::uint8_t> sense) noexcept;

/// The code for the end of the ATA command that `operation` was sent as, after a CHECK CONDITION of
/// the pass-through command. Sense data with a reason (of a disk that reports sense data) decide, then
/// the registers: UNC is media_error, IDNF out_of_range. ABRT alone is io_error: the disk gives no
/// reason.
[[nodiscard]] StatusCode status_of(std::span<const std::uint8_t> sense,
                                   Operation operation) noexcept;

}  // namespace zonebridge::zbc::zac
