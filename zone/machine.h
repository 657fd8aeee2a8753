// The zone state machine: the emulated disk's engine and the tests' oracle. It knows states, write
// pointers and the open and active limits; it moves no data and does no I/O.
//
// Threads: none of its own; the caller lets one thread in at a time.
// Ownership: owns its zones' state (at most 12 bytes a zone, plus 8 for each zone max_open allows);
// borrows its Observer, which outlives it.
//
// Where the standards differ it is strict and tells apart, so that a front end can be lenient:
// OPEN on a full zone, CLOSE on an empty or full one are invalid_transition (ZBC calls them
// success, ZNS and virtio-blk errors). CLOSE of an open zone whose pointer is at its start gives
// empty. RESET of empty, OPEN of explicitly open, CLOSE of closed, FINISH of full change nothing
// and succeed.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include <tl/expected.hpp>

#include "zone/limits.h"
#include "zone/request.h"
#include "zone/status.h"
#include "zone/types.h"

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

    /// All zones begin empty (conventional ones without a pointer). `limits` outlives the machine.
    explicit Machine(const Limits& limits, Observer* observer = nullptr);
    ~Machine();
    Machine(Machine&&) noexcept;
    Machine& operator=(Machine&&) noexcept;

    // ---- Data. Offsets and lengths are in bytes and have passed zone/check.

    /// May `length` bytes be written at `offset`? On ok the zone is open (an implicitly open one
    /// was closed to make room if need be) and its pointer still where it was: call advance() once
    /// the data is down. Sequential write preferred zones take writes anywhere. A write over
    /// several conventional zones needs no call.
    [[nodiscard]] StatusCode begin_write(std::uint64_t offset, std::uint64_t length) noexcept;

    /// As begin_write at the write pointer of the zone that starts at `zone_start`; returns the
    /// absolute offset the data goes to.
    [[nodiscard]] tl::expected<std::uint64_t, StatusCode> begin_append(
        std::uint64_t zone_start, std::uint64_t length) noexcept;

    /// `length` bytes at `offset` are down: moves the pointer to their end if it is behind it; a
    /// zone whose capacity is used up becomes full. Nothing for conventional zones.
    void advance(std::uint64_t offset, std::uint64_t length) noexcept;

    /// May `length` bytes be read at `offset`? Offline zones and, where the limits say so, reads
    /// past the pointer are refused.
    [[nodiscard]] StatusCode check_read(std::uint64_t offset, std::uint64_t length) const noexcept;

    /// Absolute offset up to which the zone holds written data, whatever its state: reads beyond
    /// give zeroes. A finished zone keeps the pointer it was finished at. Conventional zones: their
    /// end.
    [[nodiscard]] std::uint64_t written_end(std::uint32_t zone) const noexcept;

    // ---- Zone actions.

    /// One zone. `operation` is open, close, finish or reset.
    [[nodiscard]] StatusCode act(Operation operation, std::uint32_t zone) noexcept;
    /// Scope::all of zone/request.h.
    [[nodiscard]] StatusCode act_all(Operation operation) noexcept;

    // ---- Reports and restoring.

    [[nodiscard]] Zone describe(std::uint32_t zone) const noexcept;
    [[nodiscard]] ZoneState state(std::uint32_t zone) const noexcept;
    /// Fills `out` from the zone that holds `offset` on; returns how many.
    [[nodiscard]] std::size_t report(std::uint64_t offset, std::span<Zone> out) const noexcept;

    [[nodiscard]] std::uint32_t open_count() const noexcept;    ///< Implicitly and explicitly.
    [[nodiscard]] std::uint32_t active_count() const noexcept;  ///< Open and closed.

    /// Puts a zone into a kept state with `written` bytes from its start. False, and no change, if
    /// the two do not fit each other, the zone's type or the limits.
    [[nodiscard]] bool restore(std::uint32_t zone, ZoneState state, std::uint64_t written) noexcept;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace zonebridge
