// Adds logical units to a running virtio-scsi device, and removes them.
//
// Threads: no worker's, one thread at a time; calls return when every worker has handled them. The session's
// thread may be inside the backend at the same time, and never waits there for a disk that remove()
// waits for.
// Ownership: borrows each logical unit from add() to the end of remove().
#pragma once

#include <chrono>
#include <cstdint>

#include <tl/expected.hpp>

#include "virtio-scsi/controller.h"
#include "zbc/sense.h"
#include "zone/status.h"

namespace zonebridge::service {

/// The result of a removal.
enum class Removed : std::uint8_t {
    gone,
    absent,       ///< There is no such unit.
    in_use_still  ///< No new command reaches it, but some commands are still in flight.
};

class Units {
  public:
    /// Every worker opens a task queue to the unit; then the guest gets an event if its driver
    /// accepts them (virtio 1.2, 5.6.6.3.1 "transport reset: rescan"); otherwise the other units
    /// raise luns_changed. Refused: a number that is taken, and a unit that takes fewer buffers per
    /// command than the guest was promised.
    [[nodiscard]] virtual tl::expected<void, Error> add(const virtio_scsi::Unit& unit) = 0;

    /// Sends the guest the event "transport reset: removed". Commands still reach the unit.
    virtual void announce_removal(std::uint16_t lun) = 0;
    /// No new command reaches the unit; returns when none is in flight any more, or after `limit`:
    /// then the unit and its number stay in use, and another remove() waits again.
    [[nodiscard]] virtual Removed remove(std::uint16_t lun, std::chrono::milliseconds limit) = 0;

    /// The unit has changed: its unit attention is raised, and the guest gets an event if there is
    /// one for it (5.6.6.3.3 "parameter change").
    virtual void changed(std::uint16_t lun, zbc::Attention what) = 0;

  protected:
    ~Units() = default;
};

}  // namespace zonebridge::service
