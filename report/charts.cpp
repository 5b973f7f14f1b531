#include "report/charts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "report/table.h"

namespace rdusim::report {
namespace {

constexpr double kWidth = 760;  // units of the drawing; the page scales it to its column
constexpr double kLabelWidth = 150;
constexpr double kRightMargin = 80;
constexpr double kPlotWidth = kWidth - kLabelWidth - kRightMargin;
constexpr size_t kColours = 8;

std::string text_at(double x, double y, const char* anchor, const std::string& text, const char* css = "") {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\"{}>{}</text>\n", x, y, anchor,
                     *css != 0 ? fmt::format(" class=\"{}\"", css) : "", escape_html(text));
}

std::string open_svg(const std::string& title, double height) {
  return fmt::format(
      "<svg viewBox=\"0 0 {:.0f} {:.0f}\" role=\"img\" aria-label=\"{}\">\n<title>{}</title>\n", kWidth,
      height, escape_html(title), escape_html(title));
}

// Coloured squares with their names, in a row from the left edge of the plot.
std::string legend(const std::vector<GanttKind>& entries, double y) {
  std::string svg;
  double x = kLabelWidth;
  for (const auto& [name, colour] : entries) {
    svg += fmt::format("<rect class=\"f{}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"10\" height=\"10\"/>\n",
                       colour % kColours, x, y - 9);
    svg += text_at(x + 14, y, "start", name);
    x += 30 + 6.6 * static_cast<double>(name.size());
  }
  return svg;
}

// Lines of a distribution: the strong colours first.
constexpr size_t kLineColours[kColours] = {3, 2, 4, 1, 5, 6, 7, 0};

// Names with the colours of their positions.
std::vector<GanttKind> in_order(const std::vector<std::string>& names) {
  std::vector<GanttKind> entries;
  for (size_t i = 0; i < names.size(); ++i) entries.push_back({names[i], i});
  return entries;
}

// Vertical grid lines with their values below.
std::string time_axis(double top, double plot_top, double plot_bottom, const FormatNumber& format) {
  std::string svg;
  for (const double tick : round_ticks(top)) {
    const double x = kLabelWidth + kPlotWidth * tick / top;
    svg += fmt::format("<path class=\"grid\" d=\"M{:.1f} {:.1f}V{:.1f}\"/>\n", x, plot_top, plot_bottom);
    svg += text_at(x, plot_bottom + 14, "middle", format(tick), "axis");
  }
  return svg;
}

}  // namespace

std::vector<double> round_ticks(double top) {
  const double raw = top / 5;
  const double scale = std::pow(10.0, std::floor(std::log10(raw)));
  double step = scale * 10;
  for (const double mantissa : {1.0, 2.0, 5.0}) {
    if (scale * mantissa >= raw * 0.999) {
      step = scale * mantissa;
      break;
    }
  }
  std::vector<double> ticks;
  for (int i = 0; static_cast<double>(i) * step <= top * 1.0001; ++i)
    ticks.push_back(static_cast<double>(i) * step);
  return ticks;
}

std::string stacked_bars(const std::string& title, const std::vector<std::string>& part_names,
                         const std::vector<StackedBar>& bars, const FormatNumber& format) {
  constexpr double kPitch = 34;
  constexpr double kThickness = 22;
  constexpr double kTop = 30;
  const double bottom = kTop + kPitch * static_cast<double>(bars.size());
  double top = 0;
  for (const auto& bar : bars) {
    double total = 0;
    for (const double part : bar.parts) total += part;
    top = std::max(top, total);
  }
  std::string svg = open_svg(title, bottom + 24) + legend(in_order(part_names), 14);
  if (top <= 0) return svg + "</svg>\n";
  svg += time_axis(top, kTop - 4, bottom, format);
  for (size_t b = 0; b < bars.size(); ++b) {
    const double y = kTop + kPitch * static_cast<double>(b) + (kPitch - kThickness) / 2;
    svg += text_at(kLabelWidth - 8, y + kThickness * 0.7, "end", bars[b].label);
    double total = 0;
    for (size_t p = 0; p < bars[b].parts.size(); ++p) {
      const double part = bars[b].parts[p];
      if (part <= 0) continue;
      svg += fmt::format(
          "<rect class=\"f{}\" x=\"{:.2f}\" y=\"{:.1f}\" width=\"{:.2f}\" "
          "height=\"{:.0f}\"><title>{}</title></rect>\n",
          p % kColours, kLabelWidth + kPlotWidth * total / top, y, kPlotWidth * part / top, kThickness,
          escape_html(part_names[p] + ": " + format(part)));
      total += part;
    }
    svg += text_at(kLabelWidth + kPlotWidth * total / top + 6, y + kThickness * 0.7, "start", format(total));
  }
  return svg + "</svg>\n";
}

std::string gantt(const std::string& title, const std::vector<std::string>& row_names,
                  const std::vector<GanttKind>& kinds, const std::vector<GanttSpan>& spans,
                  const FormatNumber& format) {
  constexpr double kPitch = 16;
  constexpr double kThickness = 11;
  constexpr double kTop = 30;
  const double bottom = kTop + kPitch * static_cast<double>(row_names.size());
  double top = 0;
  for (const auto& span : spans) top = std::max(top, span.end);
  std::string svg = open_svg(title, bottom + 24) + legend(kinds, 14);
  if (top <= 0) return svg + "</svg>\n";
  svg += time_axis(top, kTop - 4, bottom, format);
  for (size_t r = 0; r < row_names.size(); ++r) {
    svg += text_at(kLabelWidth - 8, kTop + kPitch * static_cast<double>(r) + 10, "end", row_names[r]);
  }

  std::map<std::pair<size_t, size_t>, std::vector<std::pair<double, double>>>
      drawn;  // (kind, row) -> x ranges
  for (const auto& span : spans) {
    const double begin = kLabelWidth + kPlotWidth * span.begin / top;
    const double end = std::max(kLabelWidth + kPlotWidth * span.end / top, begin + 0.5);
    drawn[{span.kind, span.row}].emplace_back(begin, end);
  }
  for (auto& [place, ranges] : drawn) {
    std::sort(ranges.begin(), ranges.end());
    std::string path;
    for (size_t i = 0; i < ranges.size();) {
      auto [begin, end] = ranges[i];
      for (++i; i < ranges.size() && ranges[i].first < end + 0.5; ++i) end = std::max(end, ranges[i].second);
      path += fmt::format("M{:.1f} {:.1f}h{:.1f}v{:.0f}h-{:.1f}z", begin,
                          kTop + kPitch * static_cast<double>(place.second) + 1, end - begin, kThickness,
                          end - begin);
    }
    svg += fmt::format("<path class=\"f{}\" d=\"{}\"/>\n", kinds[place.first].colour % kColours, path);
  }
  return svg + "</svg>\n";
}

std::string distribution(const std::string& title, const std::vector<DistributionSeries>& series,
                         const FormatNumber& format) {
  constexpr double kTop = 30;
  constexpr double kHeight = 220;
  constexpr size_t kPoints = 200;
  std::vector<GanttKind> names;
  double low = 0;
  double high = 0;
  for (const auto& one : series) {
    names.push_back({one.name, kLineColours[names.size() % kColours]});
    for (const double value : one.values) {
      if (value <= 0) continue;
      low = low == 0 ? value : std::min(low, value);
      high = std::max(high, value);
    }
  }
  std::string svg = open_svg(title, kTop + kHeight + 24) + legend(names, 14);
  if (high <= 0) return svg + "</svg>\n";

  const bool logarithmic = high / low > 30;
  const double first_decade = std::floor(std::log10(low));
  const double decades = std::max(1.0, std::ceil(std::log10(high)) - first_decade);
  const auto x_of = [&](double value) {
    if (!logarithmic) return kLabelWidth + kPlotWidth * value / high;
    return kLabelWidth +
           kPlotWidth * std::max(0.0, std::log10(std::max(value, low)) - first_decade) / decades;
  };
  if (logarithmic) {
    for (int d = 0; d <= static_cast<int>(decades); ++d) {
      const double x = kLabelWidth + kPlotWidth * d / decades;
      svg += fmt::format("<path class=\"grid\" d=\"M{:.1f} {:.1f}V{:.1f}\"/>\n", x, kTop, kTop + kHeight);
      svg += text_at(x, kTop + kHeight + 14, "middle", format(std::pow(10.0, first_decade + d)), "axis");
    }
  } else {
    svg += time_axis(high, kTop, kTop + kHeight, format);
  }
  for (const double share : {0.0, 0.5, 0.95, 1.0}) {
    const double y = kTop + kHeight * (1 - share);
    svg += fmt::format("<path class=\"grid\" d=\"M{:.1f} {:.1f}H{:.1f}\"/>\n", kLabelWidth, y,
                       kLabelWidth + kPlotWidth);
    svg += text_at(kLabelWidth - 8, y + 4, "end", fmt::format("{:.0f} %", share * 100), "axis");
  }
  for (size_t s = 0; s < series.size(); ++s) {
    auto sorted = series[s].values;
    if (sorted.empty()) continue;
    std::sort(sorted.begin(), sorted.end());
    std::string path = fmt::format("M{:.1f} {:.1f}", x_of(sorted.front()), kTop + kHeight);
    const size_t points = std::min(kPoints, sorted.size());
    for (size_t i = 1; i <= points; ++i) {
      const size_t rank = i * sorted.size() / points;  // 1 .. size
      const double share = static_cast<double>(rank) / static_cast<double>(sorted.size());
      path += fmt::format("H{:.1f}V{:.1f}", x_of(sorted[rank - 1]), kTop + kHeight * (1 - share));
    }
    svg += fmt::format("<path class=\"line s{}\" d=\"{}\"/>\n", kLineColours[s % kColours], path);
  }
  return svg + "</svg>\n";
}

}  // namespace rdusim::report
