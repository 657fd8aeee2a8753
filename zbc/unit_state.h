// What changes of a logical unit while it runs. A unit has one initiator: the front end that it
// serves.
//
// Threads: any; lock-free.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "zbc/mode.h"
#include "zbc/sense.h"

namespace zonebridge::zbc {

/// The unit attentions that are pending. A new initiator has power_on pending.
class Attentions {
  public:
    [[nodiscard]] bool pending() const noexcept {
        return pending_.load(std::memory_order_acquire) != 0;
    }
    /// The first in the order of Attention. Each that was raised goes to exactly one caller.
    [[nodiscard]] std::optional<Attention> take() noexcept;
    void raise(Attention attention) noexcept;
    /// power_on, in the place of all that were pending.
    void reset() noexcept;

  private:
    std::atomic<std::uint32_t> pending_{1};  // a bit for each; power_on is the first
};

class UnitState {
  public:
    [[nodiscard]] Attentions& attentions() noexcept { return attentions_; }

    /// What MODE SELECT changed.
    [[nodiscard]] ModeValues mode_values() const noexcept;
    void set_mode_values(const ModeValues& values) noexcept;

    /// D_SENSE.
    [[nodiscard]] bool descriptor_sense() const noexcept { return descriptor_sense_.load(); }
    /// SWP: changes of the disk are refused.
    [[nodiscard]] bool software_write_protected() const noexcept { return write_protect_.load(); }
    /// WCE: whether a write may end before it is durable. The flush that follows a MODE SELECT is for
    /// the writes that ended while this was true.
    [[nodiscard]] bool write_cache() const noexcept { return write_cache_.load(); }

    /// START STOP UNIT.
    [[nodiscard]] bool stopped() const noexcept { return stopped_.load(std::memory_order_acquire); }
    void set_stopped(bool stopped) noexcept { stopped_.store(stopped, std::memory_order_release); }

    /// As LogicalUnit::continue_initiator, until an attention was reported.
    [[nodiscard]] bool continued() const noexcept { return continued_.load(); }
    void set_continued(bool continued) noexcept { continued_.store(continued); }

    /// As LogicalUnit::reset.
    void reset() noexcept;

  private:
    Attentions attentions_;
    std::atomic<bool> descriptor_sense_{false};
    std::atomic<bool> write_protect_{false};
    std::atomic<bool> write_cache_{true};
    std::atomic<bool> stopped_{false};
    std::atomic<bool> continued_{false};
};

}  // namespace zonebridge::zbc
