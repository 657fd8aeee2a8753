// Draws the zones of a disk: a cell for each zone, or for several if there are many. A cell is two
// characters: the state, and how much of it is written.
//
// Memory is bounded by the picture's size, however many zones there are.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/zones.h"
#include "zone/types.h"

namespace zonebridge::tools {

struct MapStyle {
    std::uint32_t width = 80;     ///< Columns.
    std::uint32_t max_rows = 20;  ///< Rows of cells; with more zones a cell stands for several.
    bool colour = false;          ///< ANSI colours.
    bool unicode = false;         ///< Block characters for the fill level, instead of digits.
};

/// The style for standard output: its width, colour if it is a terminal and NO_COLOR is not set,
/// block characters if the locale's character set is UTF-8.
[[nodiscard]] MapStyle style_of_terminal();

class ZoneMap {
  public:
    /// A picture of `count` zones from zone `first` on.
    ZoneMap(const MapStyle& style, std::uint32_t first, std::uint32_t count);

    /// Adds zone `number` as reported. Zones never added stay blank.
    void add(std::uint32_t number, const Zone& zone);
    /// Picture, legend, summary.
    [[nodiscard]] std::string render() const;

    [[nodiscard]] std::uint32_t zones_per_cell() const noexcept { return zones_per_cell_; }
    [[nodiscard]] std::uint32_t cells_per_row() const noexcept { return cells_per_row_; }

  private:
    struct Cell {
        std::uint16_t states = 0;  // one bit a ZoneState
        std::uint64_t written = 0;
        std::uint64_t capacity = 0;
    };
    struct Mark;

    [[nodiscard]] static const Mark& mark_of(std::uint16_t states) noexcept;
    [[nodiscard]] std::string paint(const Mark& mark, std::string_view text) const;
    [[nodiscard]] std::string cell_text(const Cell& cell) const;
    [[nodiscard]] std::string fill_text(const Cell& cell) const;
    [[nodiscard]] std::string legend() const;
    [[nodiscard]] std::string summary() const;

    MapStyle style_;
    std::uint32_t first_;
    std::uint32_t count_;
    std::uint32_t label_width_;
    std::uint32_t cells_per_row_;
    std::uint32_t zones_per_cell_;
    std::vector<Cell> cells_;
    Tally tally_;
};

}  // namespace zonebridge::tools
