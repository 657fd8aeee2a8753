// The zone state machine: the emulated disk's engine and the tests' oracle. It keeps states, write
// pointers and the open and active limits; it moves no data and does no I/O.
//
// Threads: not thread-safe; the caller serializes calls.
// Ownership: owns its zones' state (8 bytes a zone, plus 8 for each zone max_open allows); borrows
// its Limits and its Observer, which outlive it. Nothing allocates after construction.
//
// Where the standards differ, the machine is strict and uses distinct codes, so that a front end
// can be lenient: OPEN of a full zone and CLOSE of an empty or full one are invalid_transition (ZBC
// calls them success, ZNS and virtio-blk errors). CLOSE of an open zone whose pointer is at its
// start makes it empty. RESET of empty, OPEN of explicitly open, CLOSE of closed and FINISH of full
// zones change nothing and succeed.
//
// Resources (ZBC-2's open zone resources, ZNS's active and open resources): a write, an OPEN or a
// FINISH takes an empty or closed zone through open. It fails with too_many_active for an empty
// zone if max_active zones are open or closed; then with too_many_open for either if max_open zones
// are *explicitly* open. Otherwise, if max_open zones are open, the zone that was implicitly opened
// the longest ago is closed to make room. The limits apply to sequential write required zones only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <tl/expected.hpp>

#include "base/export.h"
#include "zone/cell.h"
#include "zone/limits.h"
#include "zone/request.h"
#include "zone/status.h"
#include "zone/types.h"

ZONEBRIDGE_BEGIN_PUBLIC
namespace zonebridge {

class Machine {
  public:
    /// Notified of every zone whose state or pointer changed, including zones closed to make room.
    class Observer {
      public:
        virtual void zone_changed(std::uint32_t zone) noexcept = 0;

      protected:
        ~Observer() = default;
    };

    /// All zones begin empty (conventional ones without a pointer). Requires a layout in which
    /// Layout::find_fault finds no fault. On a disk without zones every read and write is ok.
    explicit Machine(const Limits& limits, Observer* observer = nullptr);

    // ---- Data. Offsets and lengths are in bytes and have passed zone/check.

    /// May `length` bytes be written at `offset`? Fails with the first of zone_read_only,
    /// zone_offline, zone_full, unaligned_write, too_many_active, too_many_open. On ok the zone is
    /// open (an implicitly open zone was closed to make room if necessary) and its pointer has not
    /// moved: call advance() once the data is written.
    ///
    /// Sequential write preferred zones accept writes anywhere, even if full. A write over several
    /// zones, conventional or preferred, opens each zone; it is ok for all of them or for none.
    [[nodiscard]] StatusCode begin_write(std::uint64_t offset, std::uint64_t length) noexcept;

    /// Like begin_write at the write pointer of the zone that starts at `zone_start`; returns the
    /// absolute offset where the data goes. Data that does not fit behind the pointer is
    /// crosses_boundary (checked before resources).
    [[nodiscard]] tl::expected<std::uint64_t, StatusCode> begin_append(
        std::uint64_t zone_start, std::uint64_t length) noexcept;

    /// `length` bytes at `offset` are written: moves the pointer to their end if it is behind that;
    /// a zone whose capacity is used up becomes full. Does nothing for conventional zones.
    ///
    /// A zone that was closed to make room since begin_write stays closed. A zone that became empty
    /// that way becomes closed, and may then exceed max_active until other zones are reset or
    /// finished: a caller that must keep max_active allows no other call between begin_write and
    /// advance. Drain a zone before resetting it: data that would leave a hole behind the pointer
    /// of a sequential write required zone is taken for a late write and ignored.
    void advance(std::uint64_t offset, std::uint64_t length) noexcept;

    /// May `length` bytes be read at `offset`? Refuses offline zones and, if the limits say so,
    /// reads past the pointer of a sequential write required zone (empty, open or closed).
    [[nodiscard]] StatusCode check_read(std::uint64_t offset, std::uint64_t length) const noexcept;

    /// Absolute offset up to which the zone holds written data, whatever its state: reads beyond it
    /// give zeroes. A finished zone keeps the pointer that it had when it was finished. For
    /// conventional zones: their end.
    [[nodiscard]] std::uint64_t written_end(std::uint32_t zone) const noexcept;

    // ---- Zone actions.

    /// One zone. `operation` is open, close, finish or reset. Fails with zone_read_only,
    /// zone_offline, invalid_transition, too_many_active, too_many_open; not_sequential for
    /// conventional zones.
    [[nodiscard]] StatusCode act(Operation operation, std::uint32_t zone) noexcept;
    /// Scope::all of zone/request.h. OPEN fails with too_many_open, and changes nothing, if the
    /// explicitly open and the closed zones together exceed max_open; implicitly open zones are
    /// closed to make room, and stay closed.
    [[nodiscard]] StatusCode act_all(Operation operation) noexcept;

    // ---- Reports and restoring.

    [[nodiscard]] Zone describe(std::uint32_t zone) const noexcept;
    [[nodiscard]] ZoneState state(std::uint32_t zone) const noexcept;
    /// Fills `out` from the zone that holds `offset` on; returns the number of zones (0 past the
    /// end).
    [[nodiscard]] std::size_t report(std::uint64_t offset, std::span<Zone> out) const noexcept;

    [[nodiscard]] std::uint32_t open_count() const noexcept;    ///< Implicitly and explicitly.
    [[nodiscard]] std::uint32_t active_count() const noexcept;  ///< Open and closed.

    /// Restores a zone's saved state with `written` bytes from its start (0, or its length, for a
    /// conventional zone). Returns false, and changes nothing, if state and bytes do not fit each
    /// other, the zone's type or the limits. Does not notify the observer.
    [[nodiscard]] bool restore(std::uint32_t zone, ZoneState state, std::uint64_t written) noexcept;

  private:
    [[nodiscard]] std::uint64_t pointer_of(std::uint32_t zone) const noexcept;
    [[nodiscard]] StatusCode begin_random_write(std::uint64_t offset,
                                                std::uint64_t length) noexcept;
    [[nodiscard]] StatusCode make_room(ZoneState from) noexcept;
    [[nodiscard]] StatusCode open_implicitly(std::uint32_t zone) noexcept;
    void advance_zone(std::uint32_t zone, std::uint64_t offset, std::uint64_t end) noexcept;

    [[nodiscard]] StatusCode open(std::uint32_t zone) noexcept;
    [[nodiscard]] StatusCode close(std::uint32_t zone) noexcept;
    [[nodiscard]] StatusCode finish(std::uint32_t zone) noexcept;
    [[nodiscard]] StatusCode reset(std::uint32_t zone) noexcept;
    [[nodiscard]] StatusCode open_all() noexcept;

    [[nodiscard]] bool fits(std::uint32_t zone, ZoneState state,
                            std::uint64_t written) const noexcept;
    [[nodiscard]] bool within_limits(ZoneState before, ZoneState after) const noexcept;
    void close_open_zone(std::uint32_t zone) noexcept;
    void change(std::uint32_t zone, ZoneState state) noexcept;
    void count(ZoneState state, std::uint32_t zone, bool entering) noexcept;
    void notify(std::uint32_t zone) noexcept;

    const Limits* limits_;
    Observer* observer_;
    bool preferred_;                         // the sequential zones are write preferred
    std::optional<std::uint32_t> max_open_;  // absent if it can't be exceeded
    std::optional<std::uint32_t> max_active_;
    std::uint32_t implicit_count_ = 0;
    std::uint32_t explicit_count_ = 0;
    std::uint32_t closed_count_ = 0;
    std::vector<Cell> cells_;
    ImplicitOrder implicit_order_;  // kept only if max_open_ is set: nothing else needs it
};

}  // namespace zonebridge
ZONEBRIDGE_END_PUBLIC
