#include "report/floorplan_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "report/format.h"
#include "report/svg.h"

namespace rdusim::report {
namespace {

constexpr double kMap = 240;  // width of a map
constexpr double kGap = 20;
constexpr double kTop = 24;
constexpr double kTallest = 420;

struct Grid {
  uint32_t columns = 0;
  double cell = 0;
  double x = 0;  // of the map's left edge
};

// Runs of neighbouring tiles in a row, as one path.
std::string tile_path(const Grid& grid, std::vector<uint32_t> tiles) {
  std::sort(tiles.begin(), tiles.end());
  std::string path;
  for (size_t i = 0; i < tiles.size();) {
    const uint32_t row = tiles[i] / grid.columns;
    size_t last = i;
    while (last + 1 < tiles.size() && tiles[last + 1] == tiles[last] + 1 &&
           tiles[last + 1] / grid.columns == row)
      ++last;
    const double width = grid.cell * static_cast<double>(last - i + 1) - 0.3;
    path +=
        fmt::format("M{:.1f} {:.1f}h{:.1f}v{:.1f}h-{:.1f}z", grid.x + grid.cell * (tiles[i] % grid.columns),
                    kTop + grid.cell * row, width, grid.cell - 0.3, width);
    i = last + 1;
  }
  return path;
}

std::string heat(int level) {
  return fmt::format("h{}", std::clamp(level, 0, 9));
}

void draw_areas(Svg& svg, const Grid& grid, const std::vector<TileArea>& areas, const char* word) {
  for (const auto& area : areas) {
    svg.path(tile_path(grid, area.tiles), heat(static_cast<int>(area.level * 10)),
             fmt::format("{}: {} {}", area.name, format_percent(std::min(1.0, area.level)), word));
  }
}

void draw_links(Svg& svg, const Grid& grid, const FloorplanSection& section) {
  std::vector<std::vector<uint32_t>> by_level(11);
  for (uint32_t tile = 0; tile < section.link_levels.size(); ++tile) {
    const int level = section.link_levels[tile];
    if (level >= 0) by_level[static_cast<size_t>(std::min(level, 10))].push_back(tile);
  }
  for (size_t level = 0; level < by_level.size(); ++level) {
    if (by_level[level].empty()) continue;
    const std::string tip = level == 10 ? std::string("more than the link carries")
                                        : fmt::format("{} to {} % of the link", level * 10, level * 10 + 10);
    svg.path(tile_path(grid, by_level[level]), heat(static_cast<int>(level)), tip);
  }
}

// Tiles of one kind, as the faint ground of a map.
void draw_ground(Svg& svg, const Grid& grid, const FloorplanView& plan, char kind) {
  std::vector<uint32_t> tiles;
  for (uint32_t row = 0; row < plan.rows; ++row) {
    for (uint32_t column = 0; column < plan.columns; ++column) {
      if (kind == 0 || plan.tiles[row][column] == kind) tiles.push_back(row * plan.columns + column);
    }
  }
  svg.path(tile_path(grid, std::move(tiles)), "ground");
}

void draw_dies(Svg& svg, const Grid& grid, const FloorplanView& plan) {
  for (uint32_t die = 1; die < plan.dies; ++die) {
    const double x = grid.x + grid.cell * (die * plan.columns / plan.dies) - 0.2;
    svg.line(x, kTop - 3, x, kTop + grid.cell * plan.rows + 3, "die");
  }
}

}  // namespace

std::string floorplan_chart(const FloorplanView& plan, const FloorplanSection& section) {
  const double cell = std::min(kMap / plan.columns, kTallest / plan.rows);
  const double bottom = kTop + cell * plan.rows;
  Svg svg("Floorplan of section " + section.name, bottom + 30);
  const char* headings[] = {"PCUs: busy", "Switches: fullest link", "PMUs: filled"};
  const char kinds[] = {'P', 0, 'M'};
  for (size_t map = 0; map < 3; ++map) {
    const Grid grid{plan.columns, cell, (kMap + kGap) * static_cast<double>(map)};
    svg.text(grid.x, 14, Anchor::kStart, headings[map]);
    draw_ground(svg, grid, plan, kinds[map]);
    if (map == 0) draw_areas(svg, grid, section.units, "busy");
    if (map == 1) draw_links(svg, grid, section);
    if (map == 2) draw_areas(svg, grid, section.stores, "filled");
    draw_dies(svg, grid, plan);
  }
  for (int level = 0; level < 10; ++level) svg.rect(40 + 22 * level, bottom + 14, 22, 10, heat(level));
  svg.text(34, bottom + 23, Anchor::kEnd, "0 %", "axis");
  svg.text(266, bottom + 23, Anchor::kStart, "100 %", "axis");
  svg.rect(330, bottom + 14, 22, 10, "ground");
  svg.text(358, bottom + 23, Anchor::kStart, "not used by the section", "axis");
  return svg.finish();
}

}  // namespace rdusim::report
