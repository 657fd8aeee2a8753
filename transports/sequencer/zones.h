// What the queues of one device share: a line for each zone, the sweeps, and the room for open zones.
//
// Threads: any; lines as transports/sequencer/line.h says.
// Ownership: owns the lines; borrows the layout.
#pragma once

#include <cstdint>
#include <vector>

#include "transports/sequencer/line.h"
#include "transports/sequencer/room.h"
#include "transports/sequencer/sweeps.h"
#include "zone/limits.h"

namespace zonebridge::sequencer {

class Zones {
  public:
    /// Borrows `layout`. `limited`: not every zone can be open at once.
    Zones(const Layout& layout, bool limited)
        : room(limited), layout_(layout), lines_(layout.zone_count()) {}

    [[nodiscard]] Line& line(std::uint32_t zone) noexcept { return lines_[zone]; }
    [[nodiscard]] std::uint32_t index(const Line& line) const noexcept {
        return static_cast<std::uint32_t>(&line - lines_.data());
    }

    /// Where the capacity of the line's zone ends, in bytes.
    [[nodiscard]] std::uint64_t end_of(const Line& line) const noexcept {
        const auto zone = index(line);
        return layout_.start_of(zone) + layout_.capacity_of(zone);
    }

    Sweeps sweeps;
    Room room;

  private:
    const Layout& layout_;
    std::vector<Line> lines_;
};

}  // namespace zonebridge::sequencer
