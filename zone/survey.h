// From what a device reports of its zones to a Layout, or to what is wrong with them. A device may
// say anything: nothing it reports is believed before it was held against the rest.
//
// Threads: one at a time.
// Ownership: owns what it gathered; about one bit a zone.
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

/// Feed it every zone in order, then ask for the layout. Refused, in words that name the zone:
/// zones that overlap, go backwards, leave a hole or reach past the disk's end; lengths and
/// capacities that differ (but for a shorter last zone, and for the capacity of read-only and
/// offline zones); a capacity of nothing or beyond the length; write pointers outside their zone,
/// missing where the zone's state has one, or not at the start of an empty zone; sequential zones of
/// two types; numbers that Layout::find_fault refuses.
class Survey {
  public:
    /// `size`: the disk's, in bytes, as the device tells it elsewhere. `zone_size` likewise where
    /// it does; without it the first zone's length counts.
    explicit Survey(std::uint64_t size, std::optional<std::uint64_t> zone_size = std::nullopt);

    /// The next zones. What is wrong with them, if anything; then the survey has failed.
    [[nodiscard]] std::optional<std::string> add(std::span<const Zone> zones);

    /// Where the next zone has to start; size() once all are there.
    [[nodiscard]] std::uint64_t position() const noexcept { return position_; }
    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
    [[nodiscard]] bool complete() const noexcept { return position_ == size_; }

    /// The layout, once complete; else what is missing, or what was wrong.
    [[nodiscard]] tl::expected<Layout, std::string> finish() const;

  private:
    [[nodiscard]] std::optional<std::string> fault_of(const Zone& zone) const;

    std::uint64_t size_;
    std::uint64_t position_ = 0;
    std::optional<std::string> fault_;  // the first
    std::optional<std::uint64_t> zone_size_;
    std::optional<std::uint64_t> zone_capacity_;  // of the first sequential zone that tells
    std::optional<ZoneType> sequential_type_;
    std::vector<bool> conventional_;
};

}  // namespace zonebridge
ZONEBRIDGE_END_PUBLIC
