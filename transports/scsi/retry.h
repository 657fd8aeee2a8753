// Sends a command again if by the standard it was not carried out, for a limited time.
//
// Threads: the functions block; any thread.
#pragma once

#include <chrono>

#include "transports/scsi/answer.h"
#include "transports/scsi/port.h"

namespace zonebridge::scsi {

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
