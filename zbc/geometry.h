// Where a disk's zones and gaps lie: what is known of an access or a report without a request to the
// disk. What zone/check refuses by the same rules is refused here in SCSI's words, in SCSI's order.
//
// Ownership: borrows the Limits, which outlive it; owns eight bytes for every 64 zones.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "zbc/report.h"
#include "zbc/sense.h"
#include "zone/limits.h"

namespace zonebridge::zbc {

class Geometry {
  public:
    /// `reads_past_pointer`: URSWRZ, as the initiator sees it.
    Geometry(const Limits& limits, bool reads_past_pointer);

    /// Whether `offset`, inside the disk, lies beyond its zone's capacity.
    [[nodiscard]] bool in_gap(std::uint64_t offset) const noexcept;

    /// Why a read or write of this range is invalid in every state of the zones. Requires a range that
    /// is not empty and lies inside the disk. The order is what initiators expect: gap, boundary,
    /// alignment. (ZBC-2 4.5 "Zoned block device models": reads and writes of a host-managed one.)
    [[nodiscard]] std::optional<Sense> refuse_read(std::uint64_t offset,
                                                   std::uint64_t length) const noexcept;
    [[nodiscard]] std::optional<Sense> refuse_write(std::uint64_t offset,
                                                    std::uint64_t length) const noexcept;

    /// The number of zones from `offset` on that a report lists with an option that ignores_state().
    /// Constant time.
    [[nodiscard]] std::uint64_t count_from(std::uint64_t offset,
                                           ReportingOption option) const noexcept;
    /// Adds one zone of each kind of these zones to `same`, and the last. Constant time.
    void describe_from(std::uint64_t offset, ReportingOption option,
                       SameField& same) const noexcept;

  private:
    [[nodiscard]] bool has_gap(std::uint32_t zone) const noexcept {
        return layout_.capacity_of(zone) < layout_.length_of(zone);
    }
    [[nodiscard]] std::uint32_t conventional_before(std::uint32_t zone) const noexcept;
    [[nodiscard]] bool touches_gap(std::uint64_t offset, std::uint64_t end) const noexcept;
    void describe_zone(std::uint32_t zone, bool from_gap, bool gaps,
                       SameField& same) const noexcept;

    const Limits& limits_;
    const Layout& layout_;
    bool reads_past_pointer_;
    std::vector<std::uint32_t> conventional_before_;  // zone 64 * i
};

}  // namespace zonebridge::zbc
