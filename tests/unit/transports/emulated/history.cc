#include "tests/unit/transports/emulated/history.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

namespace zonebridge::emulated {
namespace {

constexpr std::size_t sector_size = 512;

// Marks a version of a sector that was cleared to zeroes. The other bits of the stamp say when.
constexpr std::uint64_t cleared = std::uint64_t{1} << 63;

std::uint64_t content_of(std::uint64_t version) {
    return (version & cleared) != 0 ? 0 : version;
}

std::vector<std::optional<std::uint64_t>> stamps_of(std::span<const std::uint8_t> content) {
    std::vector<std::optional<std::uint64_t>> stamps;
    for (std::size_t at = 0; at < content.size(); at += sector_size)
        stamps.push_back(
            find_stamp(std::span<const std::uint8_t, 512>(content.data() + at, sector_size)));
    return stamps;
}

}  // namespace

void put_stamp(std::uint64_t stamp, std::span<std::uint8_t, 512> sector) {
    std::uint64_t value = stamp;
    for (std::size_t at = 0; at < sector.size(); at += 8) {
        std::memcpy(sector.data() + at, &value, 8);
        value = stamp == 0 ? 0 : value * 6364136223846793005U + 1442695040888963407U;
    }
}

std::optional<std::uint64_t> find_stamp(std::span<const std::uint8_t, 512> sector) {
    std::uint64_t stamp = 0;
    std::memcpy(&stamp, sector.data(), 8);
    std::array<std::uint8_t, 512> expected;
    put_stamp(stamp, expected);
    if (!std::equal(sector.begin(), sector.end(), expected.begin())) return std::nullopt;
    return stamp;
}

History::History(const Limits& limits) : limits_(limits), zones_(limits.layout.zone_count()) {
    for (std::uint32_t zone = 0; zone < zones_.size(); ++zone) {
        Epoch epoch;
        if (limits_.layout.is_conventional(zone)) {
            epoch.written = epoch.least = limits_.layout.length_of(zone) / sector_size;
            epoch.sectors.assign(epoch.written, {0});
        }
        zones_[zone].epochs.push_back(epoch);
    }
}

std::vector<std::uint8_t> History::next_data(std::size_t length) {
    std::vector<std::uint8_t> data(length);
    for (std::size_t at = 0; at < length; at += sector_size)
        put_stamp(++stamp_, std::span<std::uint8_t, 512>(data.data() + at, sector_size));
    return data;
}

void History::write(std::uint64_t offset, std::span<const std::uint8_t> data) {
    std::vector<std::uint64_t> stamps;
    for (const auto& stamp : stamps_of(data)) stamps.push_back(*stamp);
    put(offset, stamps);
}

void History::clear(std::uint64_t offset, std::uint64_t length) {
    put(offset, std::vector<std::uint64_t>(length / sector_size, ++stamp_ | cleared));
}

void History::put(std::uint64_t offset, std::span<const std::uint64_t> stamps) {
    const auto zone = limits_.layout.zone_of(offset);
    auto& epoch = zones_[zone].epochs.back();
    auto sector = (offset - limits_.layout.start_of(zone)) / sector_size;
    for (const auto stamp : stamps) {
        while (epoch.sectors.size() <= sector) epoch.sectors.push_back({0});
        // Below the pointer this overwrites data, so the old content may be found too.
        if (sector < epoch.written)
            epoch.sectors[sector].push_back(stamp);
        else
            epoch.sectors[sector] = {stamp};
        epoch.written = std::max<std::size_t>(epoch.written, ++sector);
    }
}

void History::cut_back(std::uint32_t zone, std::uint64_t written) {
    auto& epoch = zones_[zone].epochs.back();
    epoch.written = written / sector_size;
    epoch.sectors.resize(epoch.written);
}

void History::reset(std::uint32_t zone) {
    zones_[zone].epochs.emplace_back();
}

void History::finish(std::uint32_t zone) {
    auto& epoch = zones_[zone].epochs.back();
    if (!epoch.finished_at) epoch.finished_at = epoch.written;
}

History::Mark History::mark() const {
    Mark mark;
    for (const auto& zone : zones_) {
        mark.epochs.push_back(zone.over + zone.epochs.size() - 1);
        mark.written.push_back(zone.epochs.back().written);
        mark.finished.push_back(zone.epochs.back().finished_at.has_value());
    }
    mark.stamp = stamp_;
    return mark;
}

void History::flushed(const Mark& mark) {
    for (std::size_t i = 0; i < zones_.size(); ++i) {
        auto& zone = zones_[i];
        if (mark.epochs[i] < zone.over) continue;  // a later flush completed first
        const auto over = mark.epochs[i] - zone.over;
        zone.epochs.erase(zone.epochs.begin(), zone.epochs.begin() + static_cast<long>(over));
        zone.over += over;
        auto& epoch = zone.epochs.front();
        epoch.least = std::max(epoch.least, mark.written[i]);
        epoch.surely_finished = epoch.surely_finished || mark.finished[i];
        // The last version of an overwritten sector before the mark is durable.
        for (auto& stamps : epoch.sectors) {
            std::size_t last = 0;
            for (std::size_t k = 0; k < stamps.size(); ++k)
                if ((stamps[k] & ~cleared) <= mark.stamp) last = k;
            stamps.erase(stamps.begin(), stamps.begin() + static_cast<long>(last));
        }
    }
}

bool History::fits(const Epoch& epoch, std::size_t pointer,
                   std::span<const std::optional<std::uint64_t>> found) {
    for (std::size_t i = 0; i < found.size(); ++i) {
        if (!found[i]) return false;
        if (i >= pointer) {
            if (*found[i] != 0) return false;
        } else if (std::none_of(epoch.sectors[i].begin(), epoch.sectors[i].end(),
                                [&](auto version) { return content_of(version) == *found[i]; })) {
            return false;
        }
    }
    return true;
}

// The offsets where the zone's data may end, given the state that was found.
std::vector<std::size_t> History::pointers(const Epoch& epoch, const Zone& found,
                                           bool first) const {
    const auto least = first ? epoch.least : 0;
    const auto capacity = found.capacity / sector_size;
    std::vector<std::size_t> result;
    switch (found.state) {
        case ZoneState::not_write_pointer:
            return {capacity};
        case ZoneState::empty:
        case ZoneState::implicit_open:  // untouched since a clean close
        case ZoneState::explicit_open:
        case ZoneState::closed: {
            const auto pointer = (*found.write_pointer - found.start) / sector_size;
            if (pointer >= least && pointer <= epoch.written && !(first && epoch.surely_finished))
                result.push_back(pointer);
            return result;
        }
        case ZoneState::full:
            if (epoch.written == capacity) result.push_back(capacity);
            // Sequential write preferred zones take writes also when finished.
            if (epoch.finished_at)
                for (auto pointer = std::max(least, *epoch.finished_at); pointer <= epoch.written;
                     ++pointer)
                    result.push_back(pointer);
            // A power cut may leave more zones active than the limit allows. Then the disk finishes
            // some of them.
            if (limits_.max_active)
                for (auto pointer = std::max<std::size_t>(least, 1); pointer <= epoch.written;
                     ++pointer)
                    result.push_back(pointer);
            return result;
        case ZoneState::read_only:
        case ZoneState::offline:
            return {};
    }
    return {};
}

std::string History::check(std::uint32_t zone, const Zone& found,
                           std::span<const std::uint8_t> content) {
    const auto stamps = stamps_of(content);
    auto& epochs = zones_[zone].epochs;
    for (std::size_t i = 0; i < epochs.size(); ++i) {
        for (const auto pointer : pointers(epochs[i], found, i == 0)) {
            if (!fits(epochs[i], pointer, stamps)) continue;
            Epoch known;
            known.written = known.least = pointer;
            for (std::size_t k = 0; k < pointer; ++k) known.sectors.push_back({*stamps[k]});
            if (found.state == ZoneState::full) {
                known.finished_at = pointer;
                known.surely_finished = true;
            }
            epochs = {known};
            return {};
        }
    }
    auto text = fmt::format("zone {} is {}", zone, to_string(found.state));
    if (found.write_pointer)
        text += fmt::format(" with pointer {}", (*found.write_pointer - found.start) / 512);
    text += " and holds";
    for (std::size_t i = 0; i < stamps.size() && i < 100; ++i)
        text += stamps[i] ? fmt::format(" {}", *stamps[i]) : " garbage";
    for (const auto& epoch : epochs) {
        text += fmt::format("\n  possible: {}..{}{}:", epoch.least, epoch.written,
                            epoch.finished_at ? fmt::format(" finished at {}{}", *epoch.finished_at,
                                                            epoch.surely_finished ? " surely" : "")
                                              : "");
        for (const auto& sector : epoch.sectors) text += fmt::format(" {}", fmt::join(sector, "|"));
    }
    return text;
}

std::string History::check_live(std::uint32_t zone, std::span<const std::uint8_t> content) const {
    const auto& epoch = zones_[zone].epochs.back();
    const auto stamps = stamps_of(content);
    for (std::size_t i = 0; i < stamps.size(); ++i) {
        const auto expected = i < epoch.written ? content_of(epoch.sectors[i].back()) : 0;
        if (stamps[i] != expected)
            return fmt::format("sector {} of zone {} holds {} and not {}", i, zone,
                               stamps[i] ? fmt::format("{}", *stamps[i]) : "garbage", expected);
    }
    return {};
}

}  // namespace zonebridge::emulated
