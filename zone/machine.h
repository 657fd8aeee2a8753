// The zone state machine: the emulated disk's engine and the tests' oracle. It knows states, write
// pointers and the open and active limits; it moves no data and does no I/O.
//
// Threads: none of its own; the caller lets one thread in at a time.
// Ownership: owns its zones' state (8 bytes a zone, plus 8 for each zone max_open allows); borrows
// its Limits and its Observer, which outlive it. Nothing allocates after construction.
//
// Where the standards differ it is strict and tells apart, so that a front end can be lenient:
// OPEN on a full zone, CLOSE on an empty or full one are invalid_transition (ZBC calls them
// success, ZNS and virtio-blk errors). CLOSE of an open zone whose pointer is at its start gives
// empty. RESET of empty, OPEN of explicitly open, CLOSE of closed, FINISH of full change nothing
// and succeed.
//
// Resources (ZBC-2's open zone resources, ZNS's active and open resources): a write, an OPEN or a
// FINISH takes an empty or closed zone through open. An empty one fails with too_many_active while
// max_active zones are open or closed; then either fails with too_many_open while max_open zones
// are *explicitly* open; otherwise, with max_open zones open, the one that was opened implicitly
// the longest ago is closed to make room. Limits bind sequential write required zones only.
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
    /// Told of every zone whose state or pointer changed, those closed to make room included.
    class Observer {
      public:
        virtual void zone_changed(std::uint32_t zone) noexcept = 0;

      protected:
        ~Observer() = default;
    };

    /// All zones begin empty (conventional ones without a pointer). The layout is one in which
    /// Layout::find_fault finds no fault. A disk without zones is one on which every read and write
    /// is ok.
    explicit Machine(const Limits& limits, Observer* observer = nullptr);

    // ---- Data. Offsets and lengths are in bytes and have passed zone/check.

    /// May `length` bytes be written at `offset`? The first of zone_read_only, zone_offline,
    /// zone_full, unaligned_write, too_many_active, too_many_open. On ok the zone is open (an
    /// implicitly open one was closed to make room if need be) and its pointer still where it was:
    /// call advance() once the data is down.
    ///
    /// Sequential write preferred zones take writes anywhere, full ones too. A write over several
    /// zones, conventional or preferred, is judged and opens zone by zone; it is ok for all or for
    /// none of them.
    [[nodiscard]] StatusCode begin_write(std::uint64_t offset, std::uint64_t length) noexcept;

    /// As begin_write at the write pointer of the zone that starts at `zone_start`; returns the
    /// absolute offset the data goes to. What does not fit behind the pointer is crosses_boundary
    /// (before resources are looked at).
    [[nodiscard]] tl::expected<std::uint64_t, StatusCode> begin_append(
        std::uint64_t zone_start, std::uint64_t length) noexcept;

    /// `length` bytes at `offset` are down: moves the pointer to their end if it is behind it; a
    /// zone whose capacity is used up becomes full. Nothing for conventional zones.
    ///
    /// A zone that was closed to make room since begin_write stays closed; one that had become
    /// empty by that becomes closed, and may then be one active zone too many until others end: a
    /// caller with a max_active to keep lets nobody in between begin_write and advance. Drain a
    /// zone before resetting it: data that would leave a hole behind the pointer of a sequential
    /// write required zone is taken for a leftover and ignored.
    void advance(std::uint64_t offset, std::uint64_t length) noexcept;

    /// May `length` bytes be read at `offset`? Offline zones and, where the limits say so, reads
    /// past the pointer of a sequential write required zone (empty, open or closed) are refused.
    [[nodiscard]] StatusCode check_read(std::uint64_t offset, std::uint64_t length) const noexcept;

    /// Absolute offset up to which the zone holds written data, whatever its state: reads beyond
    /// give zeroes. A finished zone keeps the pointer it was finished at. Conventional zones: their
    /// end.
    [[nodiscard]] std::uint64_t written_end(std::uint32_t zone) const noexcept;

    // ---- Zone actions.

    /// One zone. `operation` is open, close, finish or reset. zone_read_only, zone_offline,
    /// invalid_transition, too_many_active, too_many_open; not_sequential for conventional zones.
    [[nodiscard]] StatusCode act(Operation operation, std::uint32_t zone) noexcept;
    /// Scope::all of zone/request.h. OPEN fails with too_many_open, and changes nothing, if the
    /// explicitly open and the closed zones together exceed max_open; implicitly open ones are
    /// closed to make room, and stay so.
    [[nodiscard]] StatusCode act_all(Operation operation) noexcept;

    // ---- Reports and restoring.

    [[nodiscard]] Zone describe(std::uint32_t zone) const noexcept;
    [[nodiscard]] ZoneState state(std::uint32_t zone) const noexcept;
    /// Fills `out` from the zone that holds `offset` on; returns how many (0 past the end).
    [[nodiscard]] std::size_t report(std::uint64_t offset, std::span<Zone> out) const noexcept;

    [[nodiscard]] std::uint32_t open_count() const noexcept;    ///< Implicitly and explicitly.
    [[nodiscard]] std::uint32_t active_count() const noexcept;  ///< Open and closed.

    /// Puts a zone into a kept state with `written` bytes from its start (0, or its length, for a
    /// conventional zone). False, and no change, if the two do not fit each other, the zone's type
    /// or the limits. The observer is not told.
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
    std::optional<std::uint32_t> max_open_;  // where it can be exceeded at all
    std::optional<std::uint32_t> max_active_;
    std::uint32_t implicit_count_ = 0;
    std::uint32_t explicit_count_ = 0;
    std::uint32_t closed_count_ = 0;
    std::vector<Cell> cells_;
    ImplicitOrder implicit_order_;  // kept only under a max_open_: otherwise nobody asks
};

}  // namespace zonebridge
ZONEBRIDGE_END_PUBLIC
