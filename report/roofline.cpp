#include "report/roofline.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "report/axis.h"
#include "report/format.h"
#include "report/svg.h"

namespace rdusim::report {
namespace {

constexpr double kLeft = 96;
constexpr double kRight = Svg::kWidth - 20;
constexpr double kTop = 22;
constexpr double kBottom = 300;
constexpr double kLargest = 16;  // radius of a point that takes all the time
constexpr size_t kNamed = 8;

struct LabelBox {
  double x = 0;
  double y = 0;
  double width = 0;
  [[nodiscard]] bool touches(const LabelBox& other) const {
    return std::abs(y - other.y) < 13 && x < other.x + other.width && other.x < x + width;
  }
};

}  // namespace

std::string roofline(const std::string& title, double peak_flops, const std::vector<Roof>& roofs,
                     const std::vector<RooflinePoint>& all) {
  std::vector<RooflinePoint> points;
  for (const auto& point : all) {
    if (point.flops_per_byte > 0 && point.flops_per_s > 0) points.push_back(point);
  }
  std::stable_sort(points.begin(), points.end(),
                   [](const auto& a, const auto& b) { return a.share > b.share; });
  Svg svg(title, kBottom + 38);
  if (peak_flops <= 0 || roofs.empty() || points.empty()) return svg.finish();

  double fastest = 0;
  for (const auto& roof : roofs) fastest = std::max(fastest, roof.bytes_per_s);
  double low_x = peak_flops / fastest;
  double high_x = low_x;
  double low_y = peak_flops;
  for (const auto& roof : roofs) high_x = std::max(high_x, peak_flops / roof.bytes_per_s);
  for (const auto& point : points) {
    low_x = std::min(low_x, point.flops_per_byte);
    high_x = std::max(high_x, point.flops_per_byte);
    low_y = std::min(low_y, point.flops_per_s);
  }
  const Scale x = Scale::logarithmic(low_x / 2, high_x * 2, kLeft, kRight);
  const Scale y = Scale::logarithmic(low_y / 2, peak_flops * 1.2, kBottom, kTop);
  const auto rate = [](double v) { return format_flops(v) + "/s"; };
  draw_x_axis(
      svg, x, kTop, kBottom, [](double v) { return format_number(v); },
      "operations per HBM byte (logarithmic)");
  draw_y_axis(svg, y, kLeft, kRight, rate, "", kTop);

  std::vector<LabelBox> taken;
  for (size_t r = 0; r < roofs.size(); ++r) {
    const double ridge = peak_flops / roofs[r].bytes_per_s;
    const double from = std::max(x.low(), y.low() / roofs[r].bytes_per_s);
    svg.path(fmt::format("M{:.1f} {:.1f}L{:.1f} {:.1f}H{:.1f}", x.at(from), y.at(from * roofs[r].bytes_per_s),
                         x.at(ridge), y.at(peak_flops), kRight),
             fmt::format("line s{}", r == 0 ? 3 : 0));
    // At the middle of its slope, above the line.
    const double at = std::sqrt(from * ridge);
    const std::string label = fmt::format("{} {}", roofs[r].name, format_bandwidth(roofs[r].bytes_per_s));
    const LabelBox box{x.at(at) - 10 - text_width(label), y.at(at * roofs[r].bytes_per_s) - 8,
                       text_width(label)};
    svg.text(std::max(box.x, kLeft + 4), box.y, Anchor::kStart, label, "over axis");
    taken.push_back(box);
  }
  svg.text(kRight, y.at(peak_flops) - 6, Anchor::kEnd, "PCUs " + rate(peak_flops), "over axis");

  for (size_t p = 0; p < points.size(); ++p) {
    const auto& point = points[p];
    const double radius = std::max(3.0, kLargest * std::sqrt(std::clamp(point.share, 0.0, 1.0)));
    const double cx = x.at(point.flops_per_byte);
    const double cy = y.at(point.flops_per_s);
    const std::string tip = fmt::format("{}: {} operations a byte, {}, {} of the time", point.name,
                                        format_number(point.flops_per_byte), rate(point.flops_per_s),
                                        format_percent(point.share));
    svg.circle(cx, cy, radius, "point f2", tip);
    if (p >= kNamed) continue;
    const std::string name = fitted(point.name, 200);
    LabelBox box{cx + radius + 4, cy + 4, text_width(name)};
    if (box.x + box.width > Svg::kWidth) box.x = cx - radius - 4 - box.width;
    if (std::any_of(taken.begin(), taken.end(), [&](const LabelBox& other) { return box.touches(other); }))
      continue;
    svg.text(box.x, box.y, Anchor::kStart, name, "over");
    taken.push_back(box);
  }
  return svg.finish();
}

}  // namespace rdusim::report
