// Sending a command again where the standard says that it was not carried out, with patience that
// ends.
//
// Threads: the functions block; any thread.
#pragma once

#include <chrono>

#include "transports/scsi/answer.h"
#include "transports/scsi/port.h"

namespace zonebridge::scsi {

/// How often, and how long in all, one command is tried.
class Patience {
  public:
    explicit Patience(std::chrono::milliseconds limit = std::chrono::seconds(10)) noexcept
        : left_(limit) {}

    /// Waits as `retry` says; false, without waiting, once there is no patience left or nothing to
    /// wait for.
    [[nodiscard]] bool wait(Retry retry) noexcept;

  private:
    std::chrono::milliseconds left_;
    std::chrono::milliseconds pause_{2};
    int attentions_ = 8;  // unit attentions come one a command, a handful after a reset
};

/// Sends `command`, and again while retry_of and `patience` say so. Not for writes to sequential
/// zones.
[[nodiscard]] Answer send(Port& port, const Command& command,
                          Patience patience = Patience()) noexcept;

}  // namespace zonebridge::scsi
