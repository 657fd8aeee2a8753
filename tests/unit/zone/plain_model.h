// A second, simple zone state machine to compare the real one with. It stores each zone as a report
// shows the zone, and derives everything else from all zones. It is written from zone/machine.h and
// the standards and shares no code with the real one.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "tests/unit/zone/support.h"
#include "zone/request.h"
#include "zone/status.h"
#include "zone/types.h"

namespace zonebridge::test {

class PlainModel {
  public:
    using enum ZoneState;

    struct Zone {
        std::uint64_t start, length, capacity, written = 0;
        ZoneState state = empty;
        int opened_at = 0;
        bool conventional = false;
    };

    explicit PlainModel(const Disk& disk) : disk_(disk) {
        for (std::uint64_t at = 0; at < disk.size; at += disk.zone_size) {
            Zone zone{};
            zone.start = at;
            zone.length = std::min(disk.zone_size, disk.size - at);
            zone.conventional = zones.size() < disk.conventional;
            zone.capacity =
                zone.conventional ? zone.length : std::min(zone.length, disk.zone_capacity);
            zone.state = zone.conventional ? not_write_pointer : empty;
            zones.push_back(zone);
        }
    }

    StatusCode begin_write(std::uint64_t offset, std::uint64_t length) {
        auto touched = zones_of(offset, length);
        for (auto* zone : touched) {
            if (zone->state == read_only) return StatusCode::zone_read_only;
            if (zone->state == offline) return StatusCode::zone_offline;
        }
        for (auto* zone : touched) {
            if (zone->conventional) continue;
            if (!preferred()) {
                if (zone->state == full) return StatusCode::zone_full;
                if (offset != zone->start + zone->written) return StatusCode::unaligned_write;
            }
            if (zone->state != empty && zone->state != closed) continue;
            if (const auto code = resources(*zone); code != StatusCode::ok) return code;
            zone->state = implicit_open;
            zone->opened_at = ++clock_;
        }
        return StatusCode::ok;
    }

    void advance(std::uint64_t offset, std::uint64_t length) {
        for (auto* zone : zones_of(offset, length)) {
            if (zone->conventional) continue;
            const auto end = std::min(offset + length, zone->start + zone->capacity) - zone->start;
            if (end <= zone->written) continue;
            if (!preferred() && offset > zone->start + zone->written) continue;
            zone->written = end;
            if (zone->state == empty) zone->state = closed;
            if (is_active(*zone) && zone->written == zone->capacity) zone->state = full;
        }
    }

    StatusCode act(Operation operation, Zone& zone) {
        if (zone.state == read_only) return StatusCode::zone_read_only;
        if (zone.state == offline) return StatusCode::zone_offline;
        if (zone.conventional) return StatusCode::not_sequential;
        const auto idle = zone.state == empty || zone.state == closed;
        if (operation == Operation::reset) {
            zone.state = empty;
            zone.written = 0;
        } else if (operation == Operation::close) {
            if (zone.state == full || zone.state == empty) return StatusCode::invalid_transition;
            if (is_open(zone)) close(zone);
        } else {
            if (operation == Operation::open && zone.state == full)
                return StatusCode::invalid_transition;
            if (idle)
                if (const auto code = resources(zone); code != StatusCode::ok) return code;
            zone.state = operation == Operation::open ? explicit_open : full;
        }
        return StatusCode::ok;
    }

    StatusCode act_all(Operation operation) {
        std::vector<Zone*> reach;
        for (auto& zone : zones) {
            const auto reached = operation == Operation::open    ? zone.state == closed
                                 : operation == Operation::close ? is_open(zone)
                                 : operation == Operation::finish
                                     ? is_active(zone)
                                     : zone.state == full || is_active(zone);
            if (reached) reach.push_back(&zone);
        }
        if (operation == Operation::open && disk_.max_open && !preferred() &&
            reach.size() + count(explicit_open) > *disk_.max_open)
            return StatusCode::too_many_open;
        for (auto* zone : reach) {
            if (operation == Operation::open) zone->state = explicit_open;
            if (operation == Operation::close) close(*zone);
            if (operation == Operation::finish) zone->state = full;
            if (operation == Operation::reset) {
                zone->state = empty;
                zone->written = 0;
            }
        }
        while (disk_.max_open && !preferred() &&
               count(explicit_open) + count(implicit_open) > *disk_.max_open)
            close(oldest());
        return StatusCode::ok;
    }

    void restore(Zone& zone, ZoneState state, std::uint64_t written) {
        zone.state = state;
        if (!zone.conventional) zone.written = written;
        if (state == implicit_open) zone.opened_at = ++clock_;
    }

    [[nodiscard]] bool preferred() const {
        return disk_.type == ZoneType::sequential_write_preferred;
    }
    [[nodiscard]] static bool is_open(const Zone& zone) {
        return zone.state == implicit_open || zone.state == explicit_open;
    }
    [[nodiscard]] static bool is_active(const Zone& zone) {
        return is_open(zone) || zone.state == closed;
    }
    [[nodiscard]] std::size_t count(ZoneState state) const {
        return static_cast<std::size_t>(std::count_if(
            zones.begin(), zones.end(), [&](const Zone& zone) { return zone.state == state; }));
    }
    std::vector<Zone*> zones_of(std::uint64_t offset, std::uint64_t length) {
        std::vector<Zone*> out;
        for (auto& zone : zones)
            if (zone.start < offset + length && offset < zone.start + zone.length)
                out.push_back(&zone);
        return out;
    }

    std::vector<Zone> zones;

  private:
    Zone& oldest() {
        Zone* found = nullptr;
        for (auto& zone : zones)
            if (zone.state == implicit_open && (!found || zone.opened_at < found->opened_at))
                found = &zone;
        return *found;
    }
    static void close(Zone& zone) { zone.state = zone.written == 0 ? empty : closed; }
    StatusCode resources(const Zone& zone) {
        if (preferred()) return StatusCode::ok;
        const auto open = count(implicit_open) + count(explicit_open);
        if (zone.state == empty && disk_.max_active && open + count(closed) >= *disk_.max_active)
            return StatusCode::too_many_active;
        if (!disk_.max_open) return StatusCode::ok;
        if (count(explicit_open) >= *disk_.max_open) return StatusCode::too_many_open;
        if (open >= *disk_.max_open) close(oldest());
        return StatusCode::ok;
    }

    Disk disk_;
    int clock_ = 0;
};

}  // namespace zonebridge::test
