#include "tools/map.h"

#include <algorithm>
#include <sstream>

#include <gtest/gtest.h>

namespace zonebridge::tools {
namespace {

constexpr std::uint64_t zone_size = 1000;

Zone zone(std::uint32_t number, ZoneState state,
          std::optional<std::uint64_t> written = std::nullopt) {
    Zone result{number * zone_size,
                zone_size,
                zone_size,
                std::nullopt,
                ZoneType::sequential_write_required,
                state};
    if (written) result.write_pointer = result.start + *written;
    if (state == ZoneState::not_write_pointer) result.type = ZoneType::conventional;
    return result;
}

MapStyle style(std::uint32_t width, std::uint32_t max_rows = 20) {
    MapStyle result;
    result.width = width;
    result.max_rows = max_rows;
    return result;
}

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) lines.push_back(line);
    return lines;
}

/// The columns that `text` takes on a terminal: escape sequences take none, UTF-8 characters one.
std::size_t columns(const std::string& text) {
    std::size_t count = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\x1b') {
            while (text[i] != 'm') ++i;
        } else if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) {
            ++count;
        }
    }
    return count;
}

TEST(Map, EveryStateHasACharacterOfItsOwn) {
    ZoneMap map(style(80), 0, 8);
    map.add(0, zone(0, ZoneState::not_write_pointer));
    map.add(1, zone(1, ZoneState::empty, 0));
    map.add(2, zone(2, ZoneState::implicit_open, 250));
    map.add(3, zone(3, ZoneState::explicit_open, 0));
    map.add(4, zone(4, ZoneState::closed, 999));
    map.add(5, zone(5, ZoneState::full));
    map.add(6, zone(6, ZoneState::read_only));
    map.add(7, zone(7, ZoneState::offline));
    const auto text = map.render();
    EXPECT_EQ(lines_of(text).front(), "0  ==. i2e c9##r x");
    for (const auto* word : {"conventional", "empty", "implicit-open", "explicit-open", "closed",
                             "full", "read-only", "offline"})
        EXPECT_NE(text.find(word), std::string::npos) << word;
    EXPECT_NE(text.find("8 zones: 1 not-write-pointer, 1 empty"), std::string::npos);
}

TEST(Map, FillLevelsRiseWithTheBytesWritten) {
    auto unicode = style(80);
    unicode.unicode = true;
    ZoneMap map(unicode, 0, 4);
    map.add(0, zone(0, ZoneState::closed, 1));
    map.add(1, zone(1, ZoneState::closed, 500));
    map.add(2, zone(2, ZoneState::closed, 999));
    map.add(3, zone(3, ZoneState::full));
    EXPECT_EQ(lines_of(map.render()).front(), "0  c▁c▅c▇██");
}

TEST(Map, ColoursAppearOnlyWhenAskedFor) {
    for (const auto colour : {false, true}) {
        auto chosen = style(80);
        chosen.colour = colour;
        ZoneMap map(chosen, 0, 2);
        map.add(0, zone(0, ZoneState::full));
        map.add(1, zone(1, ZoneState::empty, 0));
        EXPECT_EQ(map.render().find('\x1b') != std::string::npos, colour);
    }
}

TEST(Map, NoLineIsWiderThanTheTerminal) {
    for (const std::uint32_t width : {1U, 10U, 20U, 33U, 80U, 81U, 200U})
        for (const auto colour : {false, true})
            for (const std::uint32_t count : {1U, 9U, 100U, 75'000U, 1'000'000U}) {
                auto chosen = style(width);
                chosen.colour = colour;
                chosen.unicode = true;
                ZoneMap map(chosen, 0, count);
                map.add(0, zone(0, ZoneState::full));
                const auto lines = lines_of(map.render());
                const auto blank = std::find(lines.begin(), lines.end(), "");
                const auto first = lines.begin() + (map.zones_per_cell() > 1 ? 1 : 0);
                EXPECT_LE(blank - first, 20) << width << " " << count;
                if (width < 20) continue;  // too narrow for a label and a cell
                for (auto line = first; line != blank; ++line) EXPECT_LE(columns(*line), width);
            }
}

TEST(Map, ManyZonesShareACellAndTheMostNotableStateShows) {
    ZoneMap map(style(80, 2), 0, 1000);
    EXPECT_EQ(map.cells_per_row(), 30U);
    EXPECT_EQ(map.zones_per_cell(), 20U);
    for (std::uint32_t number = 0; number < 1000; ++number) {
        if (number < 30)
            map.add(number, zone(number, ZoneState::full));
        else if (number < 999)
            map.add(number, zone(number, ZoneState::empty, 0));
        else
            map.add(number, zone(number, ZoneState::offline));
    }
    const auto lines = lines_of(map.render());
    EXPECT_NE(lines[0].find("20 zones"), std::string::npos);
    EXPECT_EQ(lines[1].substr(0, 11), "  0  ##+5. ");
    EXPECT_EQ(lines[2].substr(0, 5), "600  ");
    EXPECT_EQ(lines[2].back(), 'x');
    EXPECT_NE(map.render().find("full and empty zones"), std::string::npos);
}

TEST(Map, ZonesNeverAddedStayBlankAndForeignOnesAreIgnored) {
    ZoneMap map(style(80), 10, 3);
    map.add(11, zone(11, ZoneState::full));
    map.add(9, zone(9, ZoneState::full));
    map.add(13, zone(13, ZoneState::full));
    EXPECT_EQ(lines_of(map.render()).front(), "10    ##");
    EXPECT_NE(map.render().find("1 zone: 1 full"), std::string::npos);
}

TEST(Map, AMapWithoutZonesHasNoCells) {
    const ZoneMap map(style(80), 0, 0);
    EXPECT_NE(map.render().find("0 zones: none"), std::string::npos);
}

}  // namespace
}  // namespace zonebridge::tools
