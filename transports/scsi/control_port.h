// A Port that uses libsgutils2: for discovery, reports and zone actions on any node of a SCSI disk
// (sg, bsg, sd). Flat data only; scattered data goes through a DataPort.
//
// Threads: any, concurrently.
// Ownership: borrows the file descriptor.
#pragma once

#include "transports/scsi/port.h"

namespace zonebridge::scsi {

class ControlPort final : public Port {
  public:
    explicit ControlPort(int fd) noexcept : fd_(fd) {}

    /// EOPNOTSUPP for more than one buffer. Allocates a small libsgutils2 object.
    [[nodiscard]] Answer run(const Command& command) noexcept override;

  private:
    int fd_;
};

}  // namespace zonebridge::scsi
