// Turns the zones that a device reports into a Layout, or into a message that says what is wrong
// with them. A device may report anything: every zone is checked against the others before it is
// believed.
//
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "base/export.h"
#include "zone/limits.h"

ZONEBRIDGE_BEGIN_PUBLIC
namespace zonebridge {

/// Pass every zone in order to add(), then call finish(). Refused, with a message that names the
/// zone: zones that overlap, go backwards, leave a hole or reach past the disk's end; lengths and
/// capacities that differ (except for a shorter last zone, and for the capacity of read-only and
/// offline zones); a capacity of 0 or beyond the length; write pointers outside their zone, missing
/// in a state that has one, or not at the start of an empty zone; sequential zones of two types;
/// numbers that Layout::find_fault refuses.
class Survey {
  public:
    /// `size`: the disk's size in bytes, from another source than the zones. `zone_size`: likewise
    /// if the device tells it; otherwise the first zone's length counts.
    explicit Survey(std::uint64_t size, std::optional<std::uint64_t> zone_size = std::nullopt);

    /// Adds the next zones. Returns what is wrong with them, if anything; then the survey has
    /// failed.
    [[nodiscard]] std::optional<std::string> add(std::span<const Zone> zones);

    /// Where the next zone must start; size() once all zones were added.
    [[nodiscard]] std::uint64_t position() const noexcept { return position_; }
    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
    [[nodiscard]] bool complete() const noexcept { return position_ == size_; }

    /// The layout, once complete; otherwise what is missing or wrong.
    [[nodiscard]] tl::expected<Layout, std::string> finish() const;

  private:
    [[nodiscard]] std::optional<std::string> fault_of(const Zone& zone) const;

    std::uint64_t size_;
    std::uint64_t position_ = 0;
    std::optional<std::string> fault_;  // the first
    std::optional<std::uint64_t> zone_size_;
    std::optional<std::uint64_t> zone_capacity_;  // of the first sequential zone that tells it
    std::optional<ZoneType> sequential_type_;
    std::vector<bool> conventional_;
};

}  // namespace zonebridge
ZONEBRIDGE_END_PUBLIC
