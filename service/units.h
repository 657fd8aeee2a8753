// The logical units of a virtio-scsi device that runs: put in and taken out under a guest.
//
// Threads: one thread, which is none of the workers'; calls return when every worker has done its part.
// The session's thread may be inside the backend at the same time, and never waits there for a disk that
// remove() waits for.
// Ownership: borrows each logical unit from add() to the end of remove().
#pragma once

#include <chrono>
#include <cstdint>

#include <tl/expected.hpp>

#include "virtio-scsi/controller.h"
#include "zbc/sense.h"
#include "zone/status.h"

namespace zonebridge::service {

/// What became of a unit that was to go.
enum class Removed : std::uint8_t {
    gone,
    absent,       ///< There is no such unit.
    in_use_still  ///< No command reaches it any more, and some that did have not ended.
};

class Units {
  public:
    /// Every worker opens a task queue to it; then the guest is told, if it listens (virtio 1.2,
    /// 5.6.6.3.1 "transport reset: rescan"); if it does not, the other units raise luns_changed.
    /// Refused: a number that is taken, and a unit that takes fewer buffers a command than the guest
    /// was promised.
    [[nodiscard]] virtual tl::expected<void, Error> add(const virtio_scsi::Unit& unit) = 0;

    /// Tells the guest that the unit goes ("transport reset: removed"). Commands still reach it.
    virtual void announce_removal(std::uint16_t lun) = 0;
    /// No command reaches the unit from here on; returns when none is in flight any more, or after
    /// `limit`: then the unit and its number stay in use, and another remove() waits again.
    [[nodiscard]] virtual Removed remove(std::uint16_t lun, std::chrono::milliseconds limit) = 0;

    /// Something about the unit is different: its unit attention is raised, and the guest is told
    /// by an event, too, where there is one for it (5.6.6.3.3 "parameter change").
    virtual void changed(std::uint16_t lun, zbc::Attention what) = 0;

  protected:
    ~Units() = default;
};

}  // namespace zonebridge::service
