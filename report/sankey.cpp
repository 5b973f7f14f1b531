#include "report/sankey.h"

#include <fmt/format.h>

#include <algorithm>

#include "report/svg.h"

namespace rdusim::report {
namespace {

constexpr double kPlaceWidth = 12;
constexpr double kGap = 26;  // between places of a column: room for a label of two lines
constexpr double kTop = 16;
constexpr double kBands = 190;   // of the fullest column
constexpr double kLabels = 170;  // right of the last column

struct Box {
  double amount = 0;
  double x = 0;
  double y = 0;
  double height = 0;
  double out = 0;  // where the next band leaves
  double in = 0;
};

double band(double amount, double scale) {
  return std::max(1.0, amount * scale);
}

}  // namespace

std::string sankey(const std::string& title, const std::vector<SankeyPlace>& places,
                   const std::vector<SankeyFlow>& flows, const FormatNumber& format) {
  std::vector<double> in(places.size(), 0);
  std::vector<double> out(places.size(), 0);
  for (const auto& flow : flows) {
    out[flow.from] += flow.amount;
    in[flow.to] += flow.amount;
  }
  size_t columns = 1;
  for (const auto& place : places) columns = std::max(columns, place.column + 1);
  std::vector<double> sums(columns, 0);
  std::vector<Box> boxes(places.size());
  for (size_t p = 0; p < places.size(); ++p) {
    boxes[p].amount = std::max(in[p], out[p]);
    sums[places[p].column] += boxes[p].amount;
  }
  const double fullest = *std::max_element(sums.begin(), sums.end());
  if (fullest <= 0) return Svg(title, 20).finish();
  const double scale = kBands / fullest;

  std::vector<double> ends(columns, kTop);
  const double step = columns > 1 ? (Svg::kWidth - kLabels - 20) / static_cast<double>(columns - 1) : 0;
  for (size_t p = 0; p < places.size(); ++p) {
    Box& box = boxes[p];
    if (box.amount <= 0) continue;
    const size_t column = places[p].column;
    double bands_out = 0;
    double bands_in = 0;
    for (const auto& flow : flows) {
      if (flow.amount <= 0) continue;
      if (flow.from == p) bands_out += band(flow.amount, scale);
      if (flow.to == p) bands_in += band(flow.amount, scale);
    }
    box.x = 10 + step * static_cast<double>(column);
    box.y = box.in = box.out = ends[column];
    box.height = std::max(bands_in, bands_out);
    ends[column] = box.y + std::max(box.height, 6.0) + kGap;
  }
  Svg svg(title, *std::max_element(ends.begin(), ends.end()) - kGap + 26);

  for (const auto& flow : flows) {
    if (flow.amount <= 0) continue;
    Box& from = boxes[flow.from];
    Box& to = boxes[flow.to];
    const double thick = band(flow.amount, scale);
    const double x1 = from.x + kPlaceWidth;
    const double middle = (x1 + to.x) / 2;
    svg.path(fmt::format(
                 "M{0:.1f} {1:.1f}C{2:.1f} {1:.1f} {2:.1f} {3:.1f} {4:.1f} {3:.1f}v{5:.1f}C{2:.1f} {6:.1f} "
                 "{2:.1f} {7:.1f} {0:.1f} {7:.1f}z",
                 x1, from.out, middle, to.in, to.x, thick, to.in + thick, from.out + thick),
             fmt::format("band f{}", places[flow.from].colour),
             fmt::format("{} to {}: {}", places[flow.from].name, places[flow.to].name, format(flow.amount)));
    from.out += thick;
    to.in += thick;
  }
  for (size_t p = 0; p < places.size(); ++p) {
    const Box& box = boxes[p];
    if (box.amount <= 0) continue;
    svg.rect(box.x, box.y, kPlaceWidth, std::max(box.height, 1.0), fmt::format("f{}", places[p].colour),
             places[p].name + ": " + format(box.amount));
    const double y = box.y + std::max(box.height, 6.0) / 2;
    const double room = std::max(step, kLabels) - 30;
    svg.text(box.x + kPlaceWidth + 6, y, Anchor::kStart, fitted(places[p].name, room), "over");
    svg.text(box.x + kPlaceWidth + 6, y + 13, Anchor::kStart, format(box.amount), "over axis");
  }
  return svg.finish();
}

}  // namespace rdusim::report
