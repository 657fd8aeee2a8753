// What changes of a logical unit while it runs: what it remembers of each initiator, the mode pages'
// values, and whether it was stopped.
//
// Threads: any; lock-free.
// Ownership: owns all of it.
#pragma once

#include <atomic>
#include <cstdint>

#include "zbc/initiators.h"
#include "zbc/mode.h"

namespace zonebridge::zbc {

class UnitState {
  public:
    [[nodiscard]] Initiators& initiators() noexcept { return initiators_; }

    /// The mode pages as this initiator sees them.
    [[nodiscard]] ModeValues mode_values(std::uint32_t initiator) noexcept;
    /// After a MODE SELECT. A page that all initiators share is changed for all, and the others
    /// are told (SPC-5 "mode parameters changed").
    void set_mode_values(std::uint32_t initiator, const ModeValues& values) noexcept;

    /// Whether a write may be acknowledged before it is durable (WCE). Writes that were
    /// acknowledged before this was false are the flush's that follows.
    [[nodiscard]] bool write_cache() const noexcept { return write_cache_.load(); }

    /// START STOP UNIT.
    [[nodiscard]] bool stopped() const noexcept { return stopped_.load(std::memory_order_acquire); }
    void set_stopped(bool stopped) noexcept { stopped_.store(stopped, std::memory_order_release); }

    /// As LogicalUnit::reset: what this initiator set is as it was at the start, what all share too.
    void reset(std::uint32_t initiator) noexcept;

  private:
    void set_write_cache(std::uint32_t initiator, bool value) noexcept;

    Initiators initiators_;
    std::atomic<bool> write_cache_{true};
    std::atomic<bool> stopped_{false};
};

}  // namespace zonebridge::zbc
