#include "tools/selection.h"

#include <limits>

#include <fmt/format.h>

namespace zonebridge::tools {
namespace {

std::optional<std::uint64_t> whole_number(std::string_view digits) {
    if (digits.empty()) return std::nullopt;
    std::uint64_t value = 0;
    for (const auto character : digits) {
        if (character < '0' || character > '9') return std::nullopt;
        const auto digit = static_cast<std::uint64_t>(character - '0');
        if (value > (std::numeric_limits<std::uint64_t>::max() - digit) / 10) return std::nullopt;
        value = value * 10 + digit;
    }
    return value;
}

tl::expected<Target, Failure> resolve_zones(ZoneRange zones, const Layout& layout,
                                            std::string_view device) {
    if (zones.last >= layout.zone_count())
        return tl::unexpected(refusal(
            fmt::format("{}: there is no zone {}: the disk has {} zones, the last is {}", device,
                        zones.first < layout.zone_count() ? zones.last : zones.first,
                        layout.zone_count(), layout.zone_count() - 1)));
    return Target{Scope::zones, static_cast<std::uint32_t>(zones.first),
                  static_cast<std::uint32_t>(zones.last - zones.first + 1)};
}

tl::expected<Target, Failure> resolve_bytes(std::uint64_t offset,
                                            std::optional<std::uint64_t> length,
                                            const Layout& layout, std::string_view device) {
    const auto refuse = [device](std::string_view what, std::uint64_t value, std::string why) {
        return tl::unexpected(refusal(fmt::format("{}: {} {} {}", device, what, value, why)));
    };
    if (offset >= layout.size())
        return refuse("offset", offset,
                      fmt::format("is beyond the disk, which ends at {}", layout.size()));
    const auto first = layout.zone_of(offset);
    if (offset != layout.start_of(first))
        return refuse("offset", offset,
                      fmt::format("is not the start of a zone: it lies in zone {}, which starts at "
                                  "{}",
                                  first, layout.start_of(first)));
    if (!length) return Target{Scope::zones, first, 1};
    if (*length > layout.size() - offset)
        return refuse("length", *length,
                      fmt::format("reaches beyond the disk: from offset {} there are {} bytes",
                                  offset, layout.size() - offset));
    const auto last = layout.zone_of(offset + *length - 1);
    const auto end = layout.start_of(last) + layout.length_of(last);
    if (offset + *length != end)
        return refuse(
            "length", *length,
            fmt::format("does not end at the end of a zone: whole zones would be {} bytes",
                        end - offset));
    return Target{Scope::zones, first, last - first + 1};
}

}  // namespace

tl::expected<ZoneRange, std::string> parse_zone_range(std::string_view text) {
    const auto dash = text.find('-');
    const auto first = whole_number(text.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : whole_number(text.substr(dash + 1));
    if (!first || !last)
        return tl::unexpected(
            fmt::format("'{}' is not a zone or a range of zones: give a number, such as 7, or a "
                        "range, such as 7-12",
                        text));
    if (*last < *first)
        return tl::unexpected(
            fmt::format("'{}' is backwards: give the smaller number first", text));
    return ZoneRange{*first, *last};
}

tl::expected<std::uint64_t, std::string> parse_number(std::string_view text) {
    if (const auto value = whole_number(text)) return *value;
    return tl::unexpected(fmt::format("'{}' is not a whole number", text));
}

tl::expected<Target, Failure> resolve(const Selection& selection, const Layout& layout,
                                      std::string_view device) {
    if (layout.zone_count() == 0)
        return tl::unexpected(refusal(fmt::format(
            "{}: this disk has no zones: it is an ordinary disk (model none)", device)));
    if (selection.all) return Target{Scope::all, 0, layout.zone_count()};
    if (selection.zones) return resolve_zones(*selection.zones, layout, device);
    return resolve_bytes(selection.offset.value_or(0), selection.length, layout, device);
}

}  // namespace zonebridge::tools
