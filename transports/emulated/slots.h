// The slot of the file that holds each sequential zone's data, and the slots that are free.
//
// A zone that is reset releases its slot, which must be neither written nor punched before that
// reset is durable: it goes from its zone to `freed`, with the next commit to `committing`, after
// that commit to `punchable`, and only then is it free. While it is being punched it is in none of
// these, but its space comes back soon.
//
// Threads: guarded by the disk's lock.
// Ownership: owns its maps (4 bytes a zone and 4 bits a slot); nothing allocates after
// construction.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "transports/emulated/bitmap.h"
#include "transports/emulated/format.h"

namespace zonebridge::emulated {

class SlotMap {
  public:
    explicit SlotMap(const Geometry& geometry)
        : first_zone_(geometry.layout.conventional_count()),
          of_zone_(geometry.layout.zone_count() - first_zone_),
          taken_(geometry.slot_count),
          freed_(geometry.slot_count),
          committing_(geometry.slot_count),
          punchable_(geometry.slot_count) {}

    [[nodiscard]] std::optional<std::uint32_t> of(std::uint32_t zone) const noexcept {
        if (zone < first_zone_) return std::nullopt;
        const auto kept = of_zone_[zone - first_zone_];
        if (kept == 0) return std::nullopt;
        return kept - 1;
    }
    /// While loading: false if the slot does not exist or belongs to another zone.
    [[nodiscard]] bool adopt(std::uint32_t zone, std::uint32_t slot) noexcept;
    /// Allocates the lowest free slot, so that the file stays short; absent if there is none before
    /// the next commit, or the end of the current punch.
    [[nodiscard]] std::optional<std::uint32_t> allocate(std::uint32_t zone) noexcept;
    /// Releases the zone's slot once the next commit is durable.
    void release(std::uint32_t zone) noexcept;
    /// Frees the slot of a zone in which nothing was written since it got the slot: no record
    /// refers to it, so it is free at once.
    void give_back(std::uint32_t zone) noexcept;
    /// The commit that begins now will make all earlier releases durable.
    void begin_commit() noexcept { committing_.take(freed_); }
    void end_commit() noexcept { punchable_.take(committing_); }

    struct Run {
        std::uint32_t first = 0;
        std::uint32_t count = 0;
    };
    /// Takes a run of at most `most` slots for punching; they are not allocated until punched().
    [[nodiscard]] std::optional<Run> take_punchable(std::uint32_t most) noexcept;
    void punched(Run run) noexcept;
    /// While loading: discards a slot that still has data but belongs to no zone. False if it is
    /// taken.
    [[nodiscard]] bool discard(std::uint32_t slot) noexcept;

    [[nodiscard]] bool awaits_commit() const noexcept {
        return freed_.count() + committing_.count() != 0;
    }
    /// Also while the last ones are being punched.
    [[nodiscard]] bool awaits_punch() const noexcept { return punchable_.count() + punching_ != 0; }
    /// The next commit, or the punching that has begun, frees slots.
    [[nodiscard]] bool will_free() const noexcept { return awaits_commit() || awaits_punch(); }

  private:
    void free(Run run) noexcept;

    std::uint32_t first_zone_;
    std::vector<std::uint32_t> of_zone_;  // slot + 1; 0 if there is none
    Bitmap taken_;                        // not free: owned by a zone, or in a stage before free
    Bitmap freed_;
    Bitmap committing_;
    Bitmap punchable_;
    std::uint32_t punching_ = 0;  // slots between take_punchable() and punched()
    std::size_t lowest_free_ = 0;
};

}  // namespace zonebridge::emulated
