// Keeps the order of a guest's commands for a disk's zones. SG_IO and the threads that block in it
// keep no order, but writes to a sequential zone need one: each begins where the one before ended.
//
// Threads: belongs to its queue's thread.
// Ownership: borrows the layout, and each Entry from enter() to leave(); owns a table, allocated
// once.
//
// Writes and zone actions that touch one sequential zone go one at a time, in order of arrival; a
// command that touches two waits for both. A command that touches more, all zones or unknown ones
// goes alone among these. Commands for conventional zones, reads, flushes and all others that do
// not change zones go at once: as on any disk, a guest that wants one of them after another waits
// for the other's end (SAM-5, simple task attribute).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/list.h"
#include "zbc/passthrough.h"
#include "zone/limits.h"

namespace zonebridge::scsi {

class ZoneOrder {
  public:
    class Entry;

  private:
    struct Ticket {
        std::uint32_t zone = 0;
        Entry* entry = nullptr;
        Ticket* next = nullptr;
    };

  public:
    class Entry {
      private:
        friend class ZoneOrder;
        friend struct List<Entry>;

        enum class Kind : std::uint8_t { free, zones, alone };
        Kind kind = Kind::free;
        std::uint8_t tickets = 0;
        std::uint8_t waits = 0;  // tickets with another entry's ahead
        std::array<Ticket, 2> ticket;
        Entry* next = nullptr;
    };

    /// Notified which entry may go; must not call back.
    class Listener {
      public:
        virtual void may_go(Entry& entry) noexcept = 0;

      protected:
        ~Listener() = default;
    };

    /// `depth`: the most entries at once.
    ZoneOrder(const Limits& limits, std::size_t depth, Listener& listener);

    /// Calls may_go() for the entry: at once, or in a later leave().
    void enter(Entry& entry, const zbc::ZoneEffect& effect) noexcept;
    /// An entry that was allowed to go has ended.
    void leave(Entry& entry) noexcept;

  private:
    [[nodiscard]] bool choose_zones(Entry& entry, std::uint64_t lba,
                                    std::uint64_t blocks) const noexcept;
    void place(Entry& entry, const zbc::ZoneEffect& effect) const noexcept;
    void take_tickets(Entry& entry) noexcept;
    void admit() noexcept;
    [[nodiscard]] List<Ticket>& line(std::uint32_t zone) noexcept {
        return lines_[zone % lines_.size()];
    }

    const Limits& limits_;
    Listener& listener_;
    std::vector<List<Ticket>> lines_;  // by zone number; several zones share a line
    List<Entry> gate_;                 // an entry that goes alone, and those behind it
    std::size_t inside_ = 0;           // entries past the gate
    bool alone_ = false;               // an entry that goes alone is past the gate
};

}  // namespace zonebridge::scsi
