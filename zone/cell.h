// The zone machine's storage: a cell for each zone, and the order in which zones were implicitly
// opened. For zone/machine only.
//
// Ownership: ImplicitOrder owns its links, allocated once; it borrows the cells from call to call.
#pragma once

#include <cassert>
#include <cstdint>
#include <span>
#include <vector>

#include "zone/limits.h"
#include "zone/types.h"

namespace zonebridge {

/// The mutable part of one zone.
struct Cell {
    std::uint32_t pointer = 0;    ///< Granules written, from the zone's start.
    std::uint32_t slot : 28 = 0;  ///< Its slot in ImplicitOrder while it has one.
    std::uint32_t state_bits : 4 = 0;

    [[nodiscard]] ZoneState state() const noexcept { return static_cast<ZoneState>(state_bits); }
    void set_state(ZoneState state) noexcept {
        state_bits = static_cast<std::uint32_t>(state) & 0xF;
    }
};
static_assert(sizeof(Cell) == 8);
static_assert(Layout::max_zone_count <= std::uint64_t{1} << 28, "a slot has 28 bits");

/// Zones in insertion order; push, remove and oldest take constant time. A ring of links that name
/// zones rather than slots: the caller knows a link's own zone, and the neighbours' slots are in
/// their cells.
class ImplicitOrder {
  public:
    ImplicitOrder() = default;
    explicit ImplicitOrder(std::uint32_t most) : links_(most) {
        for (std::uint32_t slot = 0; slot < most; ++slot) links_[slot].after = slot + 1;
    }

    [[nodiscard]] bool empty() const noexcept { return count_ == 0; }
    /// Requires !empty().
    [[nodiscard]] std::uint32_t oldest() const noexcept { return oldest_; }

    /// Requires a free slot, and that `zone` is not in the order.
    void push(std::span<Cell> cells, std::uint32_t zone) noexcept {
        assert(count_ < links_.size());
        const auto slot = free_;
        free_ = links_[slot].after;
        cells[zone].slot = slot;
        if (count_ == 0) {
            oldest_ = zone;
            links_[slot] = {zone, zone};
        } else {
            auto& first = links_[cells[oldest_].slot];
            const auto newest = first.before;
            links_[slot] = {newest, oldest_};
            links_[cells[newest].slot].after = zone;
            first.before = zone;
        }
        ++count_;
    }

    /// Requires that `zone` is in the order.
    void remove(std::span<Cell> cells, std::uint32_t zone) noexcept {
        assert(count_ != 0);
        const auto slot = cells[zone].slot;
        const auto link = links_[slot];
        links_[cells[link.before].slot].after = link.after;
        links_[cells[link.after].slot].before = link.before;
        if (oldest_ == zone) oldest_ = link.after;
        links_[slot].after = free_;
        free_ = slot;
        --count_;
    }

  private:
    struct Link {
        std::uint32_t before = 0;  // a zone
        std::uint32_t after = 0;   // a zone; in a free link, the next free slot
    };

    std::vector<Link> links_;
    std::uint32_t free_ = 0;
    std::uint32_t oldest_ = 0;
    std::uint32_t count_ = 0;
};

}  // namespace zonebridge
