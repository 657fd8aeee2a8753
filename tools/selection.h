// The zones that a verb applies to: by number, by bytes, or all of them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "tools/failure.h"
#include "zone/limits.h"
#include "zone/request.h"

namespace zonebridge::tools {

/// Zone numbers, both inclusive.
struct ZoneRange {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    friend bool operator==(const ZoneRange&, const ZoneRange&) = default;
};

/// "7" or "7-12". The error is a sentence part that names `text`.
[[nodiscard]] tl::expected<ZoneRange, std::string> parse_zone_range(std::string_view text);

/// A whole number. The error is a sentence part that names `text`.
[[nodiscard]] tl::expected<std::uint64_t, std::string> parse_number(std::string_view text);

/// As on the command line; exactly one of `zones`, `offset` and `all` is given.
struct Selection {
    std::optional<ZoneRange> zones;
    std::optional<std::uint64_t> offset;  ///< Bytes; a zone's start.
    std::optional<std::uint64_t> length;  ///< Bytes, with `offset`; absent: one zone.
    bool all = false;
};

/// The same zones on a given disk: `count` zones from zone `first` on.
struct Target {
    Scope scope = Scope::zones;
    std::uint32_t first = 0;
    std::uint32_t count = 0;
};

/// Refuses zones that the disk does not have, and byte ranges that are not whole zones.
[[nodiscard]] tl::expected<Target, Failure> resolve(const Selection& selection,
                                                    const Layout& layout, std::string_view device);

}  // namespace zonebridge::tools
