// In which order commands for a disk's zones are let go. SG_IO and the threads that block in it keep
// none, but writes to a sequential zone need one: each begins where the one before it ended.
//
// Threads: belongs to its queue's thread.
// Ownership: borrows the layout, and each Entry from enter() to leave(); owns a table, made once.
//
// Writes and zone actions that touch one sequential zone go one at a time, as they came; what
// touches two waits for both; what touches more, all zones or nobody knows which goes alone among
// these. Reads, flushes and everything else that does not touch zones, and what is aimed at
// conventional zones, go at once: as on any disk, a guest that wants one of them after another waits
// for that other's end (SAM-5, simple task attribute).
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
        std::uint8_t waits = 0;  // tickets that have another's in front
        std::array<Ticket, 2> ticket;
        Entry* next = nullptr;
    };

    /// Told which entry may go; must not call back.
    class Listener {
      public:
        virtual void may_go(Entry& entry) noexcept = 0;

      protected:
        ~Listener() = default;
    };

    /// `depth`: entries at once.
    ZoneOrder(const Limits& limits, std::size_t depth, Listener& listener);

    /// may_go() is called for it: from here, or from a later leave().
    void enter(Entry& entry, const zbc::ZoneEffect& effect) noexcept;
    /// An entry that was let go has ended.
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
    std::vector<List<Ticket>> lines_;  // by zone number, several zones a line
    List<Entry> gate_;                 // behind one that goes alone, and it itself
    std::size_t inside_ = 0;           // entries past the gate
    bool alone_ = false;               // one that goes alone is past the gate
};

}  // namespace zonebridge::scsi
