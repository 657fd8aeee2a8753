// Interprets the result of a pass-through command, from SAM status, sense data and the kernel's own
// bytes: as a Status, in words, and whether the command may be sent again. Sends such a command
// again, for a limited time.
//
// Threads: any; Patience::wait() and send() block.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "transports/scsi/port.h"
#include "zbc/sense.h"
#include "zone/request.h"
#include "zone/status.h"

namespace zonebridge::scsi {

/// The sense data of a CHECK CONDITION; empty otherwise, or if there is none to read.
[[nodiscard]] std::optional<zbc::Sense> sense_of(const Answer& answer) noexcept;

/// The status of a SCSI command (zbc/sense_table.cc maps the sense data). device_gone if the kernel
/// says that the disk is gone. RECOVERED ERROR is success. `length`: the bytes to be moved; moving
/// less is an io_error.
[[nodiscard]] Status judge(const Answer& answer, Operation operation,
                           std::uint32_t length) noexcept;

/// For messages: "not ready: Logical unit not ready, ...", "the kernel says ...", the sense data
/// decoded by libsgutils2.
[[nodiscard]] std::string describe(const Answer& answer);

enum class Retry : std::uint8_t {
    no,     ///< The command has ended, well or not.
    now,    ///< A UNIT ATTENTION: reported once, then the command is carried out.
    later,  ///< BUSY, TASK SET FULL, becoming ready, or the path to the disk was disturbed.
};

/// Whether by the standard (SAM-5 "Status codes", "Unit attention conditions") or the kernel the
/// command was not carried out and can be sent again. Do not send a write to a sequential zone
/// again on this alone: check the zone's write pointer first.
[[nodiscard]] Retry retry_of(const Answer& answer) noexcept;

/// Limits how often, and how long in all, one command is retried.
class Patience {
  public:
    explicit Patience(std::chrono::milliseconds limit = std::chrono::seconds(10)) noexcept
        : left_(limit) {}

    /// Waits as `retry` says; returns false, without waiting, if the limit is used up or no retry
    /// is due.
    [[nodiscard]] bool wait(Retry retry) noexcept;

  private:
    std::chrono::milliseconds left_;
    std::chrono::milliseconds pause_{2};
    int attentions_ = 8;  // a command receives one unit attention; a reset causes a handful
};

/// Sends `command`, and again as long as retry_of() and `patience` allow. Not for writes to
/// sequential zones.
[[nodiscard]] Answer send(Port& port, const Command& command,
                          Patience patience = Patience()) noexcept;

}  // namespace zonebridge::scsi
