// An action on all zones, carried out zone by zone, for devices that have no such command: the zones
// are reported, and the action is applied to each zone to which it applies.
//
// Threads: belongs to its owner's thread.
// Ownership: borrows the limits. Allocates only when it is made.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "zone/limits.h"
#include "zone/request.h"

namespace zonebridge {

/// The owner submits what next() gives, one request at a time, and brings each completion:
///
///     all.begin(operation);
///     while (auto request = all.next()) { ...submit, wait...; all.completed(completion); }
///     ...all.status()...
///
/// As Scope::all has it, an OPEN that would exceed the open limit opens nothing. An OPEN that fails
/// later closes the zones again that it has opened, as far as it has noted them: as many as may be
/// open at once. A zone that has changed since the report and refuses with invalid_transition is
/// passed over.
class ActionOnAll {
  public:
    explicit ActionOnAll(const Limits& limits);

    /// Begins with an open, close, finish or reset of all zones.
    void begin(Operation action) noexcept;
    /// The next request, without a tag; a report's zones are this object's. Nothing: the action has
    /// ended.
    [[nodiscard]] std::optional<Request> next() noexcept;
    /// The completion of the request that next() gave last.
    void completed(const Completion& completion) noexcept;
    /// How the action ended.
    [[nodiscard]] Status status() const noexcept { return status_; }

  private:
    enum class Phase : std::uint8_t {
        count,  ///< OPEN with a limit: finds the closed zones, and how many would be open.
        act,    ///< Acts on the zones of one report after the other.
        open,   ///< Opens the zones that were found.
        undo,   ///< Closes the zones again that were opened.
        end,
    };

    [[nodiscard]] Request report() noexcept;
    [[nodiscard]] Request act_on(Operation action, std::uint32_t zone) const noexcept;
    void reported(std::uint64_t count) noexcept;
    void acted(Status status) noexcept;
    void end(Status status) noexcept;

    const Limits& limits_;
    Operation action_ = Operation::open;
    Phase phase_ = Phase::end;
    Status status_ = {};
    std::uint32_t zone_ = 0;            // the next to report
    std::array<Zone, 64> zones_ = {};   // the last report
    std::size_t count_ = 0;             // of zones_
    std::size_t next_ = 0;              // act: the next of zones_; open, undo: of found_
    std::vector<std::uint32_t> found_;  // closed zones; has room for as many as may be open
    std::uint64_t would_open_ = 0;      // count: explicitly open zones, and found ones
    bool reporting_ = false;            // the request in flight is a report
};

}  // namespace zonebridge
