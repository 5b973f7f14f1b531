#include "report/charts.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

#include "report/svg.h"

namespace rdusim::report {
namespace {

constexpr double kLabelWidth = 150;
constexpr double kRightMargin = 80;
constexpr double kPlotEnd = Svg::kWidth - kRightMargin;
constexpr size_t kColours = 8;

// Lines of a distribution: the strong colours first.
constexpr size_t kLineColours[kColours] = {3, 2, 4, 1, 5, 6, 7, 0};

std::string fill(size_t colour) {
  return fmt::format("f{}", colour % kColours);
}

std::vector<LegendEntry> in_order(const std::vector<std::string>& names) {
  std::vector<LegendEntry> entries;
  for (size_t i = 0; i < names.size(); ++i) entries.push_back({names[i], fill(i)});
  return entries;
}

void row_label(Svg& svg, double y, const std::string& label, double width = kLabelWidth) {
  // Long names are made of capitals and underscores, which are wider than the estimate.
  svg.text(width - 8, y, Anchor::kEnd, fitted(label, width > kLabelWidth ? 0.85 * width - 14 : width - 14));
}

// Top of the plot below a legend that begins in the first line.
double below(const std::vector<LegendEntry>& legend) {
  return legend_height(legend, kLabelWidth) + 13;
}

}  // namespace

std::string stacked_bars(const std::string& title, const std::vector<std::string>& part_names,
                         const std::vector<StackedBar>& bars, const FormatNumber& format,
                         const std::vector<size_t>& colours) {
  constexpr double kPitch = 34;
  constexpr double kThickness = 22;
  auto legend = in_order(part_names);
  for (size_t p = 0; p < std::min(legend.size(), colours.size()); ++p) legend[p].css = fill(colours[p]);
  const double plot_top = below(legend);
  const double bottom = plot_top + kPitch * static_cast<double>(bars.size());
  double top = 0;
  for (const auto& bar : bars) top = std::max(top, std::accumulate(bar.parts.begin(), bar.parts.end(), 0.0));
  Svg svg(title, bottom + 24);
  draw_legend(svg, legend, kLabelWidth, 14);
  if (top <= 0) return svg.finish();
  const Scale scale = Scale::linear(top, kLabelWidth, kPlotEnd);
  draw_x_axis(svg, scale, plot_top - 4, bottom, format, "");
  for (size_t b = 0; b < bars.size(); ++b) {
    const double y = plot_top + kPitch * static_cast<double>(b) + (kPitch - kThickness) / 2;
    row_label(svg, y + kThickness * 0.7, bars[b].label);
    double total = 0;
    for (size_t p = 0; p < bars[b].parts.size(); ++p) {
      const double part = bars[b].parts[p];
      if (part <= 0) continue;
      svg.rect(scale.at(total), y, scale.at(part) - kLabelWidth, kThickness, legend[p].css,
               part_names[p] + ": " + format(part));
      total += part;
    }
    svg.text(scale.at(total) + 6, y + kThickness * 0.7, Anchor::kStart, format(total), "over");
  }
  return svg.finish();
}

std::string plain_bars(const std::string& title, const std::vector<PlainBar>& bars,
                       const FormatNumber& format) {
  constexpr double kPitch = 24;
  constexpr double kThickness = 15;
  constexpr double kTop = 10;
  constexpr double kNotes = 150;  // values and notes behind the bars
  constexpr double kWidestLabel = 300;
  double high = 0;
  double left = kLabelWidth;
  for (const auto& bar : bars) {
    high = std::max(high, bar.value);
    left = std::clamp(text_width(bar.label) / 0.85 + 18, left, kWidestLabel);
  }
  const double bottom = kTop + kPitch * static_cast<double>(bars.size());
  Svg svg(title, bottom + 22);
  if (high <= 0) return svg.finish();
  const Scale scale = Scale::linear(high, left, Svg::kWidth - kNotes);
  draw_x_axis(svg, scale, kTop, bottom, format, "");
  for (size_t b = 0; b < bars.size(); ++b) {
    const PlainBar& bar = bars[b];
    const double y = kTop + kPitch * static_cast<double>(b) + (kPitch - kThickness) / 2;
    row_label(svg, y + kThickness * 0.8, bar.label, left);
    const double x = bar.value > 0 ? scale.at(bar.value) : left;
    const std::string value = bar.value > 0 ? format(bar.value) : "none";
    svg.rect(left, y, x - left, kThickness, fill(bar.colour), bar.label + ": " + value);
    svg.text(x + 6, y + kThickness * 0.8, Anchor::kStart,
             fitted(bar.note.empty() ? value : value + ", " + bar.note, Svg::kWidth - x - 8), "over");
  }
  return svg.finish();
}

std::string gantt(const std::string& title, const std::vector<std::string>& row_names,
                  const std::vector<GanttKind>& kinds, const std::vector<GanttSpan>& spans,
                  const FormatNumber& format) {
  constexpr double kPitch = 16;
  constexpr double kThickness = 11;
  std::vector<LegendEntry> legend;
  for (const auto& kind : kinds) legend.push_back({kind.name, fill(kind.colour)});
  const double plot_top = below(legend);
  const double bottom = plot_top + kPitch * static_cast<double>(row_names.size());
  double top = 0;
  for (const auto& span : spans) top = std::max(top, span.end);
  Svg svg(title, bottom + 36);
  draw_legend(svg, legend, kLabelWidth, 14);
  if (top <= 0) return svg.finish();
  const Scale scale = Scale::linear(top, kLabelWidth, kPlotEnd);
  draw_x_axis(svg, scale, plot_top - 4, bottom, format, "time");
  for (size_t r = 0; r < row_names.size(); ++r)
    row_label(svg, plot_top + kPitch * static_cast<double>(r) + 10, row_names[r]);

  struct Range {
    double begin = 0;  // in the drawing
    double end = 0;
    double begin_value = 0;
    double end_value = 0;
    int64_t spans = 1;
  };
  std::map<std::pair<size_t, size_t>, std::vector<Range>> drawn;  // (kind, row)
  for (const auto& span : spans) {
    const double begin = scale.at(span.begin);
    drawn[{span.kind, span.row}].push_back(
        {begin, std::max(scale.at(span.end), begin + 0.5), span.begin, span.end});
  }
  for (auto& [place, ranges] : drawn) {
    std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) {
      return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
    });
    const auto& [kind, row] = place;
    const double y = plot_top + kPitch * static_cast<double>(row) + 1;
    for (size_t i = 0; i < ranges.size();) {
      Range all = ranges[i];
      for (++i; i < ranges.size() && ranges[i].begin < all.end + 0.5; ++i) {
        all.end = std::max(all.end, ranges[i].end);
        all.end_value = std::max(all.end_value, ranges[i].end_value);
        ++all.spans;
      }
      const std::string tip =
          fmt::format("{} {}: {} to {}{}", row_names[row], kinds[kind].name, format(all.begin_value),
                      format(all.end_value), all.spans > 1 ? fmt::format(", {} times", all.spans) : "");
      svg.path(fmt::format("M{:.1f} {:.1f}h{:.1f}v{:.0f}h-{:.1f}z", all.begin, y, all.end - all.begin,
                           kThickness, all.end - all.begin),
               fill(kinds[kind].colour), tip);
    }
  }
  return svg.finish();
}

std::string distribution(const std::string& title, const std::vector<DistributionSeries>& series,
                         const FormatNumber& format) {
  constexpr double kHeight = 220;
  constexpr double kLeft = 70;
  constexpr size_t kPoints = 200;
  std::vector<LegendEntry> legend;
  double low = 0;
  double high = 0;
  for (const auto& one : series) {
    legend.push_back({one.name, fill(kLineColours[legend.size() % kColours])});
    for (const double value : one.values) {
      if (value <= 0) continue;
      low = low == 0 ? value : std::min(low, value);
      high = std::max(high, value);
    }
  }
  const double plot_top = legend_height(legend, kLeft) + 13;
  const double bottom = plot_top + kHeight;
  Svg svg(title, bottom + 36);
  draw_legend(svg, legend, kLeft, 14);
  if (high <= 0) return svg.finish();

  const Scale scale = Scale::fitting(low, high, kLeft, Svg::kWidth - 30);
  draw_x_axis(svg, scale, plot_top, bottom, format, scale.is_logarithmic() ? "logarithmic scale" : "");
  for (const double share : {0.0, 0.5, 0.95, 1.0}) {
    const double y = plot_top + kHeight * (1 - share);
    svg.line(kLeft, y, Svg::kWidth - 30, y, "grid");
    if (share != 0.95) svg.text(kLeft - 8, y + 3, Anchor::kEnd, fmt::format("{:.0f} %", share * 100), "axis");
  }
  svg.text(kLeft - 8, plot_top + kHeight * 0.05 + 8, Anchor::kEnd, "95 %", "axis");
  for (size_t s = 0; s < series.size(); ++s) {
    auto sorted = series[s].values;
    if (sorted.empty()) continue;
    std::sort(sorted.begin(), sorted.end());
    std::string path = fmt::format("M{:.1f} {:.1f}", scale.at(sorted.front()), bottom);
    const size_t points = std::min(kPoints, sorted.size());
    for (size_t i = 1; i <= points; ++i) {
      const size_t rank = i * sorted.size() / points;  // 1 .. size
      const double share = static_cast<double>(rank) / static_cast<double>(sorted.size());
      path += fmt::format("H{:.1f}V{:.1f}", scale.at(sorted[rank - 1]), plot_top + kHeight * (1 - share));
    }
    svg.path(path, fmt::format("line s{}", kLineColours[s % kColours]),
             fmt::format("{}: half within {}, 95 % within {}, all within {}", series[s].name,
                         format(sorted[(sorted.size() - 1) / 2]),
                         format(sorted[(sorted.size() * 95 - 1) / 100]), format(sorted.back())));
  }
  return svg.finish();
}

}  // namespace rdusim::report
