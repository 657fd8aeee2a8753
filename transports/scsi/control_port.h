// A Port by libsgutils2: for discovery, reports and zone actions on any node of a SCSI disk (sg,
// bsg, sd). Flat data only; what comes in pieces goes through a data port.
//
// Threads: any, several at once.
// Ownership: borrows the file descriptor.
#pragma once

#include "transports/scsi/port.h"

namespace zonebridge::scsi {

class ControlPort final : public Port {
  public:
    explicit ControlPort(int fd) noexcept : fd_(fd) {}

    /// EOPNOTSUPP for more than one buffer. Allocates the library's own small object.
    [[nodiscard]] Answer run(const Command& command) noexcept override;

  private:
    int fd_;
};

}  // namespace zonebridge::scsi
