// Zoned disks behind the transport's ZonePort that need no kernel device: the zone state machine,
// or a list of zones, valid or not. tests/guest/block.sh uses real zoned disks in a guest.
//
// Threads: as in ZonePort; one action at a time.
// Ownership: owns its zones.
#pragma once

#include <algorithm>
#include <cerrno>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "transports/block/zones.h"
#include "zone/machine.h"

namespace zonebridge::test {

/// A zone as the kernel reports it; in sectors.
inline blk_zone raw_zone(const Zone& zone) {
    blk_zone raw{};
    raw.start = zone.start / 512;
    raw.len = zone.length / 512;
    raw.capacity = zone.capacity / 512;
    raw.wp = zone.write_pointer.value_or(zone.start + zone.length) / 512;
    raw.type = static_cast<std::uint8_t>(zone.type);
    raw.cond = static_cast<std::uint8_t>(zone.state);
    return raw;
}

/// Reports `zones`, valid or not, at most `step` at a time.
class ListedZones final : public block::ZonePort {
  public:
    tl::expected<std::size_t, int> report(std::uint64_t offset, std::size_t most, From from,
                                          block::ReportBuffer& buffer) noexcept override {
        asked_memory = from == From::memory;
        if (error != 0) return tl::make_unexpected(error);
        most = std::min({most, buffer.capacity(), step});
        const auto holds = [&](const blk_zone& zone) {
            return offset / 512 < zone.start + zone.len;
        };
        auto zone = std::find_if(zones.begin(), zones.end(), holds);
        buffer.header().flags = flags;
        std::size_t count = 0;
        for (; zone != zones.end() && count < most; ++zone) buffer.zones()[count++] = *zone;
        return count;
    }
    int act(Operation, std::uint64_t, std::uint64_t) noexcept override { return ENOTTY; }

    std::vector<blk_zone> zones;
    std::uint32_t flags = BLK_ZONE_REP_CAPACITY;
    std::size_t step = 3;
    int error = 0;
    bool asked_memory = false;
};

/// A working disk: the zone state machine.
class MachineZones final : public block::ZonePort {
  public:
    explicit MachineZones(const Limits& limits) : limits_(limits), machine_(limits_) {}

    tl::expected<std::size_t, int> report(std::uint64_t offset, std::size_t most, From,
                                          block::ReportBuffer& buffer) noexcept override {
        std::vector<Zone> zones(std::min({most, buffer.capacity(), step}));
        const auto count = machine_.report(offset, zones);
        buffer.header().flags = BLK_ZONE_REP_CAPACITY;
        for (std::size_t i = 0; i < count; ++i) buffer.zones()[i] = raw_zone(zones[i]);
        largest_report = std::max(largest_report, most);
        return count;
    }
    int act(Operation operation, std::uint64_t offset, std::uint64_t length) noexcept override {
        const auto whole = offset == 0 && length == limits_.layout.size();
        if (operation == Operation::reset && whole) {
            actions.push_back("reset all");
            return machine_.act_all(operation) == StatusCode::ok ? 0 : EIO;
        }
        const auto zone = limits_.layout.zone_of(offset);
        actions.push_back(std::string(to_string(operation)) + " " + std::to_string(zone));
        if (zone == broken) return EIO;
        switch (machine_.act(operation, zone)) {
            case StatusCode::ok:
                return 0;
            case StatusCode::too_many_open:
                return ETOOMANYREFS;
            case StatusCode::too_many_active:
                return EOVERFLOW;
            default:  // a device says only that the action failed
                return EIO;
        }
    }

    [[nodiscard]] Machine& machine() noexcept { return machine_; }

    std::vector<std::string> actions;
    std::optional<std::uint32_t> broken;
    std::size_t step = 3;
    std::size_t largest_report = 0;

  private:
    Limits limits_;
    Machine machine_;
};

}  // namespace zonebridge::test
