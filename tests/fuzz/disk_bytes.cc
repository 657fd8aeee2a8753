#include "tests/fuzz/disk_bytes.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <utility>

namespace zonebridge::fuzz {
namespace {

/// The first contents of a zone, which are the same on every disk: stamped once.
std::span<const std::uint8_t> stamped_zone(std::size_t zone, std::uint64_t length) {
    static std::vector<std::vector<std::uint8_t>> zones;
    if (zones.size() <= zone) zones.resize(zone + 1);
    if (zones[zone].size() < length) {
        zones[zone].resize(length);
        stamp(zones[zone], zone + 1);
    }
    return std::span(zones[zone]).first(length);
}

/// Writes the first contents to a range, zone by zone.
void restamp(std::span<std::uint8_t> bytes, std::uint64_t zone_size, const ByteRange& range) {
    const auto end = std::min<std::uint64_t>(range.offset + range.length, bytes.size());
    for (auto at = range.offset; at < end;) {
        const auto zone = at / zone_size;
        const auto start = zone * zone_size;
        const auto stamped =
            stamped_zone(zone, std::min<std::uint64_t>(zone_size, bytes.size() - start));
        const auto part = std::min(end, start + stamped.size()) - at;
        std::memcpy(bytes.data() + at, stamped.data() + (at - start), part);
        at += part;
    }
}

/// Bytes with their first contents, by the size of their zones and their number.
using Spares =
    std::map<std::pair<std::uint64_t, std::uint64_t>, std::vector<std::vector<std::uint8_t>>>;
Spares& spares() {
    static Spares all;
    return all;
}

}  // namespace

std::vector<std::uint8_t> first_bytes(std::uint64_t size, std::uint64_t zone_size) {
    auto& waiting = spares()[{zone_size, size}];
    if (waiting.empty()) {
        std::vector<std::uint8_t> bytes(size);
        restamp(bytes, zone_size, {0, size});
        return bytes;
    }
    auto bytes = std::move(waiting.back());
    waiting.pop_back();
    return bytes;
}

void give_back(std::vector<std::uint8_t> bytes, std::uint64_t zone_size,
               std::span<const ByteRange> changed) {
    for (const auto& range : changed) restamp(bytes, zone_size, range);
    const auto size = bytes.size();
    spares()[{zone_size, size}].push_back(std::move(bytes));
}

bool spares_are_as_at_first() {
    for (const auto& [layout, waiting] : spares()) {
        for (const auto& bytes : waiting) {
            auto first = bytes;
            restamp(first, layout.first, {0, first.size()});
            if (first != bytes) return false;
        }
    }
    return true;
}

void stamp(std::span<std::uint8_t> bytes, std::uint64_t with) {
    constexpr std::size_t round = 256;
    // Byte i is with * 29 + i * 7 + i / 256 * 13 + 1. Each 256 bytes are a piece of multiples of 7, which
    // begins where the multiple is right: 183 * 7 is 1 modulo 256.
    static const auto sevens = [] {
        std::array<std::uint8_t, 2 * round> made{};
        for (std::size_t i = 0; i < made.size(); ++i) made[i] = static_cast<std::uint8_t>(i * 7);
        return made;
    }();
    for (std::size_t at = 0; at < bytes.size(); at += round) {
        const auto first = (with * 29 + at / round * 13 + 1) * 183 % round;
        std::memcpy(bytes.data() + at, sevens.data() + first, std::min(round, bytes.size() - at));
    }
}

}  // namespace zonebridge::fuzz
