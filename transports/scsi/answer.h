// What became of a pass-through command, in one place: from SAM status, sense data and the kernel's
// own bytes to a Status, to words, and to whether it may be sent again.
//
// Threads: pure functions.
// Ownership: none.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "transports/scsi/port.h"
#include "zbc/sense.h"
#include "zone/request.h"
#include "zone/status.h"

namespace zonebridge::scsi {

/// The sense data of a CHECK CONDITION; nothing otherwise, or if there is none to read.
[[nodiscard]] std::optional<zbc::Sense> sense_of(const Answer& answer) noexcept;

/// How a SCSI command ended (zbc/sense_table.cc has what the sense data mean). device_gone where the
/// kernel says that the disk is not there any more. RECOVERED ERROR is success. `length`: the
/// bytes that had to be moved; what moved less is an io_error.
[[nodiscard]] Status judge(const Answer& answer, Operation operation,
                           std::uint32_t length) noexcept;

/// For messages: "not ready: Logical unit not ready, ...", "the kernel says ...", the sense data
/// decoded by libsgutils2.
[[nodiscard]] std::string describe(const Answer& answer);

enum class Retry : std::uint8_t {
    no,     ///< It ended for good, well or not.
    now,    ///< A UNIT ATTENTION: told once, then the command is carried out.
    later,  ///< BUSY, TASK SET FULL, becoming ready, or the way to the disk was disturbed.
};

/// Whether the standard (SAM-5 "Status codes", "Unit attention conditions") or the kernel says that
/// the command was not carried out and can be sent again. A write to a sequential zone must not be
/// sent again on this word alone: look at the zone's write pointer first.
[[nodiscard]] Retry retry_of(const Answer& answer) noexcept;

}  // namespace zonebridge::scsi
