#include "report/lines.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "report/svg.h"

namespace rdusim::report {
namespace {

constexpr double kLeft = 86;
constexpr double kRight = Svg::kWidth - 24;
constexpr double kHeight = 250;
constexpr size_t kLineColours[] = {3, 2, 4, 1, 5, 6, 7, 0};
constexpr size_t kColours = std::size(kLineColours);
constexpr size_t kSamples = 400;  // drawn of an area

size_t colour(size_t series) {
  return kLineColours[series % kColours];
}

struct Range {
  double low = 0;  // of the positive values
  double high = 0;
  void take(double value) {
    if (value <= 0) return;
    low = low == 0 ? value : std::min(low, value);
    high = std::max(high, value);
  }
};

// Circle, square, diamond, triangle in turn.
void mark(Svg& svg, size_t series, double x, double y, const std::string& tip) {
  const std::string css = fmt::format("f{}", colour(series));
  switch (series % 4) {
    case 0:
      return svg.circle(x, y, 3.6, css, tip);
    case 1:
      return svg.rect(x - 3.2, y - 3.2, 6.4, 6.4, css, tip);
    case 2:
      return svg.path(fmt::format("M{:.1f} {:.1f}l4.6 4.6l-4.6 4.6l-4.6 -4.6z", x, y - 4.6), css, tip);
    default:
      return svg.path(fmt::format("M{:.1f} {:.1f}l4.6 8h-9.2z", x, y - 4.8), css, tip);
  }
}

std::vector<LegendEntry> legend_of(const std::vector<LineSeries>& series) {
  std::vector<LegendEntry> legend;
  for (size_t s = 0; s < series.size(); ++s)
    legend.push_back({series[s].name, fmt::format("f{}", colour(s))});
  return legend;
}

void draw_series(Svg& svg, const LineChart& chart, const Scale& x, const Scale& y, size_t s) {
  const LineSeries& series = chart.series[s];
  std::string path;
  for (const auto& point : series.points)
    path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", x.at(point.x), y.at(point.y));
  if (series.points.size() > 1) svg.path(path, fmt::format("line s{}", colour(s)));
  if (series.points.size() > 200) return;
  for (const auto& point : series.points) {
    mark(svg, s, x.at(point.x), y.at(point.y),
         fmt::format("{}: {} at {}", series.name, chart.y_format(point.y), chart.x_format(point.x)));
  }
}

// Words of vertical lines, each in a line of its own above the plot.
void draw_marks(Svg& svg, const LineChart& chart, const Scale& x, double first_line, double bottom) {
  for (size_t m = 0; m < chart.marks.size(); ++m) {
    const double at = x.at(chart.marks[m].x);
    const double y = first_line + 15 * static_cast<double>(m);
    svg.line(at, y + 4, at, bottom, "mark");
    const bool to_the_left = at > (kLeft + kRight) / 2;
    const double room = to_the_left ? at - 4 : Svg::kWidth - at;
    svg.text(at, y, to_the_left ? Anchor::kEnd : Anchor::kStart, fitted(chart.marks[m].label, room), "over");
  }
}

}  // namespace

std::string line_chart(const LineChart& chart) {
  Range xs;
  Range ys;
  for (const auto& series : chart.series) {
    for (const auto& point : series.points) {
      xs.take(point.x);
      ys.take(point.y);
    }
  }
  const auto legend = legend_of(chart.series);
  const double marks_top = legend_height(legend, kLeft) + 13;
  const double top = marks_top + 15 * static_cast<double>(chart.marks.size()) + 6;
  const double bottom = top + kHeight;
  Svg svg(chart.title, bottom + 38);
  draw_legend(svg, legend, kLeft, 14);
  if (ys.high <= 0 || xs.high <= 0) return svg.finish();
  const Scale x = chart.x_logarithmic ? Scale::logarithmic(xs.low, xs.high, kLeft, kRight)
                                      : Scale::linear(xs.high, kLeft, kRight);
  const Scale y = chart.y_logarithmic ? Scale::logarithmic(ys.low, ys.high, bottom, top)
                                      : Scale::linear(ys.high * 1.04, bottom, top);
  const auto note = [](const std::string& label, bool logarithmic) {
    return logarithmic ? label + " (logarithmic)" : label;
  };
  draw_x_axis(svg, x, top, bottom, chart.x_format, note(chart.x_label, chart.x_logarithmic));
  draw_y_axis(svg, y, kLeft, kRight, chart.y_format, note(chart.y_label, chart.y_logarithmic), top);
  for (size_t s = 0; s < chart.series.size(); ++s) draw_series(svg, chart, x, y, s);
  draw_marks(svg, chart, x, marks_top + 4, bottom);
  return svg.finish();
}

std::string stacked_area(const std::string& title, const std::vector<std::string>& part_names,
                         const std::vector<AreaSample>& samples, double end, double limit,
                         const std::string& limit_name, const FormatNumber& x_format,
                         const FormatNumber& y_format) {
  constexpr double kAreaHeight = 150;
  std::vector<LegendEntry> legend;
  constexpr size_t kAreaColours[] = {6, 5, 4, 1};
  for (size_t p = 0; p < part_names.size(); ++p)
    legend.push_back({part_names[p], fmt::format("f{}", kAreaColours[p % std::size(kAreaColours)])});
  const double top = legend_height(legend, kLeft) + 20;
  const double bottom = top + kAreaHeight;
  Svg svg(title, bottom + 36);
  draw_legend(svg, legend, kLeft, 14);
  double most = limit;
  for (const auto& sample : samples) {
    double sum = 0;
    for (const double part : sample.parts) sum += part;
    most = std::max(most, sum);
  }
  if (most <= 0 || end <= 0 || samples.empty()) return svg.finish();
  const Scale x = Scale::linear(end, kLeft, kRight);
  const Scale y = Scale::linear(most, bottom, top);
  draw_x_axis(svg, x, top, bottom, x_format, "time");
  draw_y_axis(svg, y, kLeft, kRight, y_format, "", top);
  const size_t stride = (samples.size() + kSamples - 1) / kSamples;
  for (size_t p = part_names.size(); p-- > 0;) {  // the upper ones first: lower ones are drawn over them
    std::string path = fmt::format("M{:.1f} {:.1f}", x.at(samples.front().at), bottom);
    for (size_t i = 0; i < samples.size(); i += stride) {
      // Of the samples that share a step, the fullest: a peak is never lost.
      double level = 0;
      for (size_t k = i; k < std::min(i + stride, samples.size()); ++k) {
        double sum = 0;
        for (size_t q = 0; q <= p && q < samples[k].parts.size(); ++q) sum += samples[k].parts[q];
        level = std::max(level, sum);
      }
      path += fmt::format("H{:.1f}V{:.1f}", x.at(samples[i].at), y.at(level));
    }
    path += fmt::format("H{:.1f}V{:.1f}z", x.at(end), bottom);
    svg.path(path, legend[p].css, part_names[p]);
  }
  if (limit > 0) {
    svg.line(kLeft, y.at(limit), kRight, y.at(limit), "mark");
    svg.text(kRight, y.at(limit) - 4, Anchor::kEnd, limit_name + " " + y_format(limit));
  }
  return svg.finish();
}

}  // namespace rdusim::report
