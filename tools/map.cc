#include "tools/map.h"

#include <algorithm>
#include <array>
#include <clocale>
#include <cstdlib>
#include <langinfo.h>
#include <string_view>
#include <sys/ioctl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/size.h"

namespace zonebridge::tools {

struct ZoneMap::Mark {
    char letter;
    std::string_view colour;  // SGR parameters
    std::string_view word;
    bool has_fill;  // whether its second character shows how much is written
};

namespace {

constexpr std::uint16_t bit(ZoneState state) {
    return static_cast<std::uint16_t>(1U << static_cast<unsigned>(state));
}

constexpr std::uint32_t cell_width = 2;

/// 1, 2, 5, 10, 20, 50 ...: the first that is no smaller than `value`.
std::uint64_t round_number(std::uint64_t value) {
    for (std::uint64_t decade = 1;; decade *= 10)
        for (const auto step : {decade, decade * 2, decade * 5})
            if (step >= value) return step;
}

std::uint32_t columns_of_terminal() {
    winsize size{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
    if (const auto* columns = std::getenv("COLUMNS"))
        if (const auto value = std::strtoul(columns, nullptr, 10); value >= 20 && value <= 1000)
            return static_cast<std::uint32_t>(value);
    return 80;
}

bool speaks_utf8() {
    std::setlocale(LC_CTYPE, "");
    return std::string_view(nl_langinfo(CODESET)) == "UTF-8";
}

}  // namespace

MapStyle style_of_terminal() {
    MapStyle style;
    const auto terminal = ::isatty(STDOUT_FILENO) == 1;
    const auto* no_colour = std::getenv("NO_COLOR");
    const auto* kind = std::getenv("TERM");
    style.width = columns_of_terminal();
    style.colour = terminal && (no_colour == nullptr || *no_colour == '\0') &&
                   (kind == nullptr || std::string_view(kind) != "dumb");
    style.unicode = speaks_utf8();
    return style;
}

ZoneMap::ZoneMap(const MapStyle& style, std::uint32_t first, std::uint32_t count)
    : style_(style), first_(first), count_(count) {
    const auto last = std::uint64_t{first} + std::max(count, 1U) - 1;
    label_width_ = static_cast<std::uint32_t>(fmt::formatted_size("{}", last)) + 2;
    const auto room = style.width > label_width_ ? (style.width - label_width_) / cell_width : 0;
    // A multiple of ten if there is room, so that a person can count to a zone's number.
    cells_per_row_ = std::max(room >= 10 ? room / 10 * 10 : room, 1U);
    const auto cells = std::uint64_t{cells_per_row_} * std::max(style.max_rows, 1U);
    zones_per_cell_ = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(round_number((std::uint64_t{count} + cells - 1) / cells), count));
    zones_per_cell_ = std::max(zones_per_cell_, 1U);
    cells_.resize((std::uint64_t{count} + zones_per_cell_ - 1) / zones_per_cell_);
}

void ZoneMap::add(std::uint32_t number, const Zone& zone) {
    if (number < first_ || number - first_ >= count_) return;
    auto& cell = cells_[(number - first_) / zones_per_cell_];
    cell.states = static_cast<std::uint16_t>(cell.states | bit(zone.state));
    if (const auto written = written_bytes(zone)) {
        cell.written += *written;
        cell.capacity += zone.capacity;
    }
    tally_.add(zone);
}

const ZoneMap::Mark& ZoneMap::mark_of(std::uint16_t states) noexcept {
    // In order of importance: one offline zone in a hundred shows.
    struct Entry {
        std::uint16_t states;
        Mark mark;
    };
    static constexpr std::array entries{
        Entry{bit(ZoneState::offline), {'x', "1;31", "offline", false}},
        Entry{bit(ZoneState::read_only), {'r', "35", "read-only", false}},
        Entry{bit(ZoneState::explicit_open), {'e', "1;92", "explicit-open", true}},
        Entry{bit(ZoneState::implicit_open), {'i', "32", "implicit-open", true}},
        Entry{bit(ZoneState::closed), {'c', "33", "closed", true}},
    };
    static constexpr Mark full{'#', "34", "full", true};
    static constexpr Mark empty{'.', "90", "empty", true};
    static constexpr Mark conventional{'=', "36", "conventional", false};
    static constexpr Mark mixed{'+', "94", "full and empty zones", true};
    static constexpr Mark blank{' ', "", "", false};
    for (const auto& entry : entries)
        if ((states & entry.states) != 0) return entry.mark;
    const auto some_full = (states & bit(ZoneState::full)) != 0;
    const auto some_empty = (states & bit(ZoneState::empty)) != 0;
    if (some_full && some_empty) return mixed;
    if (some_full) return full;
    if (some_empty) return empty;
    return (states & bit(ZoneState::not_write_pointer)) != 0 ? conventional : blank;
}

std::string ZoneMap::paint(const Mark& mark, std::string_view text) const {
    if (!style_.colour || mark.colour.empty()) return std::string(text);
    return fmt::format("\x1b[{}m{}\x1b[0m", mark.colour, text);
}

std::string ZoneMap::fill_text(const Cell& cell) const {
    if (cell.capacity == 0 || cell.written == 0) return " ";
    const auto share = static_cast<double>(cell.written) / static_cast<double>(cell.capacity);
    if (!style_.unicode) {
        if (cell.written >= cell.capacity) return "#";
        return fmt::format("{}", std::min(static_cast<unsigned>(share * 10), 9U));
    }
    constexpr std::array<std::string_view, 8> blocks{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    if (cell.written >= cell.capacity) return std::string(blocks.back());
    return std::string(blocks[std::min(static_cast<std::size_t>(share * 8), std::size_t{6})]);
}

std::string ZoneMap::cell_text(const Cell& cell) const {
    const auto& mark = mark_of(cell.states);
    if (mark.letter == '#' && style_.unicode) return paint(mark, "██");
    if (mark.letter == '=') return paint(mark, "==");
    const auto fill = mark.has_fill ? fill_text(cell) : std::string(" ");
    return paint(mark, fmt::format("{}{}", mark.letter, fill));
}

std::string ZoneMap::legend() const {
    std::string text;
    std::uint32_t column = 0;
    const auto entry = [&](std::string_view shown, std::size_t shown_width, std::string_view word) {
        const auto width = static_cast<std::uint32_t>(shown_width + 1 + word.size());
        if (column != 0 && column + 3 + width > style_.width) {
            text += "\n";
            column = 0;
        }
        if (column != 0) {
            text += "   ";
            column += 3;
        }
        text += fmt::format("{} {}", shown, word);
        column += width;
    };

    std::uint16_t seen = 0;
    auto mixed = false;
    for (const auto& cell : cells_) {
        seen = static_cast<std::uint16_t>(seen | cell.states);
        mixed = mixed || mark_of(cell.states).letter == '+';
    }
    for (const auto state : all_states) {
        if ((seen & bit(state)) == 0) continue;
        const auto& mark = mark_of(bit(state));
        if (mark.letter == '#')
            entry(paint(mark, style_.unicode ? "██" : "##"), 2, mark.word);
        else if (mark.letter == '=')
            entry(paint(mark, "=="), 2, mark.word);
        else
            entry(paint(mark, std::string(1, mark.letter)), 1, mark.word);
    }
    if (mixed) {
        const auto& mark = mark_of(bit(ZoneState::full) | bit(ZoneState::empty));
        entry(paint(mark, "+"), 1, mark.word);
    }
    if (style_.unicode)
        entry("▁▂▃▄▅▆▇█", 8, "how much is written");
    else
        entry("0..9 #", 6, "how much is written, in tenths");
    return text + "\n";
}

std::string ZoneMap::summary() const {
    auto text = fmt::format("{}: {}\n", count_zones(tally_.zones()), tally_.states_in_words());
    if (tally_.capacity() != 0) {
        const auto percent =
            static_cast<double>(tally_.written()) * 100 / static_cast<double>(tally_.capacity());
        text += fmt::format("written: {} of {} ({:.1f}%)\n", readable_size(tally_.written()),
                            readable_size(tally_.capacity()), percent);
    }
    return text;
}

std::string ZoneMap::render() const {
    std::string text;
    if (zones_per_cell_ > 1)
        text += fmt::format("each cell stands for {} zones and shows their most notable state\n",
                            zones_per_cell_);
    for (std::size_t row = 0; row < cells_.size(); row += cells_per_row_) {
        text += fmt::format("{:>{}}  ", first_ + row * zones_per_cell_, label_width_ - 2);
        const auto end = std::min(row + cells_per_row_, cells_.size());
        for (auto cell = row; cell < end; ++cell) text += cell_text(cells_[cell]);
        while (text.back() == ' ') text.pop_back();
        text += '\n';
    }
    if (!cells_.empty()) text += '\n';
    return text + legend() + summary();
}

}  // namespace zonebridge::tools
