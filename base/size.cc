#include "base/size.h"

#include <array>
#include <limits>
#include <optional>

#include <fmt/format.h>

namespace zonebridge {
namespace {

constexpr std::string_view units = "KMGT";

std::optional<unsigned> shift_of(char unit) {
    const auto upper = unit >= 'a' && unit <= 'z' ? static_cast<char>(unit - 'a' + 'A') : unit;
    const auto index = units.find(upper);
    if (index == std::string_view::npos) return std::nullopt;
    return static_cast<unsigned>(index + 1) * 10;
}

/// `text` made safe for a message: bounded in length, and without terminal control characters.
std::string quoted(std::string_view text) {
    constexpr std::size_t longest = 40;
    std::string result = "'";
    for (const auto character : text.substr(0, longest))
        result += character >= ' ' && character != 0x7f ? character : '?';
    return result + (text.size() > longest ? "...'" : "'");
}

}  // namespace

tl::expected<std::uint64_t, std::string> parse_size(std::string_view text) {
    constexpr auto largest = std::numeric_limits<std::uint64_t>::max();
    const auto not_a_size = [text] {
        return tl::unexpected(
            fmt::format("{} is not a size: give a whole number of bytes, or one followed by K, M, "
                        "G or T (1024, as in 256M)",
                        quoted(text)));
    };
    const auto too_large = [text] {
        return tl::unexpected(
            fmt::format("{} is too large: sizes end below 16384P (2^64 bytes)", quoted(text)));
    };

    auto digits = text;
    unsigned shift = 0;
    if (!digits.empty()) {
        if (const auto unit = shift_of(digits.back())) {
            shift = *unit;
            digits.remove_suffix(1);
        }
    }
    if (digits.empty()) return not_a_size();
    for (const auto character : digits)
        if (character < '0' || character > '9') return not_a_size();

    std::uint64_t value = 0;
    for (const auto character : digits) {
        const auto digit = static_cast<std::uint64_t>(character - '0');
        if (value > (largest - digit) / 10) return too_large();
        value = value * 10 + digit;
    }
    if (value > largest >> shift) return too_large();
    return value << shift;
}

std::string exact_size(std::uint64_t bytes) {
    for (unsigned unit = static_cast<unsigned>(units.size()); bytes != 0 && unit > 0; --unit) {
        const auto shift = unit * 10;
        if (bytes % (std::uint64_t{1} << shift) == 0)
            return fmt::format("{}{}", bytes >> shift, units[unit - 1]);
    }
    return fmt::format("{}", bytes);
}

std::string readable_size(std::uint64_t bytes) {
    constexpr std::array names{"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    if (bytes == 1) return "1 byte";
    if (bytes < 1024) return fmt::format("{} bytes", bytes);
    std::size_t unit = 0;
    auto rest = bytes;
    std::uint64_t remainder = 0;
    while (rest >= 1024 && unit + 1 < names.size()) {
        remainder = rest % 1024;
        rest /= 1024;
        ++unit;
    }
    const auto exact = bytes % (std::uint64_t{1} << (unit * 10)) == 0;
    if (exact) return fmt::format("{} {}", rest, names[unit]);
    // Truncate, never round up: a value below a whole unit must not read as the whole unit.
    if (rest >= 100) return fmt::format("{} {}", rest, names[unit]);
    const auto tenths = remainder * 10 / 1024;
    return fmt::format("{}.{} {}", rest, tenths, names[unit]);
}

}  // namespace zonebridge
