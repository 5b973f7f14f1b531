#include "report/axis.h"

#include <algorithm>
#include <cmath>

namespace rdusim::report {
namespace {

// What a chart draws: numbers of a hostile file may be anything that is finite, and sums of them infinite.
constexpr double kLeast = 1e-290;
constexpr double kMost = 1e290;

constexpr double kLegendLine = 17;
constexpr double kLegendEnd = Svg::kWidth - 10;

double legend_entry_width(const LegendEntry& entry) {
  return 30 + text_width(entry.name);
}

// "2.00 s" is "2 s" at an axis, "0.50" "0.5".
std::string without_zeros(std::string text) {
  const size_t point = text.find('.');
  if (point == std::string::npos) return text;
  size_t end = point + 1;
  while (end < text.size() && text[end] >= '0' && text[end] <= '9') ++end;
  size_t keep = end;
  while (keep > point + 1 && text[keep - 1] == '0') --keep;
  if (keep == point + 1) keep = point;
  return text.erase(keep, end - keep);
}

}  // namespace

std::vector<double> round_ticks(double top) {
  if (!(top >= kLeast && top <= kMost)) return {0};
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
  for (int i = 0; i < 12 && static_cast<double>(i) * step <= top * 1.0001; ++i)
    ticks.push_back(static_cast<double>(i) * step);
  return ticks;
}

Scale Scale::linear(double high, double begin, double end) {
  Scale scale;
  scale.high_ = high > 0 ? std::clamp(high, kLeast, kMost) : 1;
  scale.begin_ = begin;
  scale.end_ = end;
  scale.ticks_ = round_ticks(scale.high_);
  return scale;
}

Scale Scale::logarithmic(double low, double high, double begin, double end) {
  Scale scale;
  scale.logarithmic_ = true;
  low = std::clamp(low, kLeast, kMost);
  high = std::clamp(high, low, kMost);
  scale.begin_ = begin;
  scale.end_ = end;
  // Round outwards to 1, 2 or 5 times a power of ten.
  const auto round_to = [](double value, bool up) {
    const double power = std::pow(10.0, std::floor(std::log10(value) + 1e-9));
    double best = up ? power * 10 : power;
    for (const double mantissa : {1.0, 2.0, 5.0}) {
      const double candidate = power * mantissa;
      if (up && candidate >= value * 0.9999) return candidate;
      if (!up && candidate <= value * 1.0001) best = candidate;
    }
    return best;
  };
  scale.low_ = round_to(low, false);
  scale.high_ = round_to(high, true);
  if (scale.high_ <= scale.low_) scale.high_ = scale.low_ * 10;
  const double decades = std::log10(scale.high_ / scale.low_);
  const double first = std::pow(10.0, std::floor(std::log10(scale.low_) + 1e-9));
  for (double power = first; power <= scale.high_ * 1.0001; power *= 10) {
    for (const double mantissa : {1.0, 2.0, 5.0}) {
      if (mantissa > 1 && decades > 3) continue;
      const double tick = power * mantissa;
      if (tick >= scale.low_ * 0.9999 && tick <= scale.high_ * 1.0001) scale.ticks_.push_back(tick);
    }
  }
  return scale;
}

Scale Scale::fitting(double low, double high, double begin, double end) {
  return low > 0 && high / low > 30 ? logarithmic(low, high, begin, end) : linear(high, begin, end);
}

double Scale::at(double value) const {
  if (!logarithmic_) return begin_ + (end_ - begin_) * value / high_;
  const double clamped = std::clamp(value, low_, high_);
  return begin_ + (end_ - begin_) * std::log10(clamped / low_) / std::log10(high_ / low_);
}

void draw_x_axis(Svg& svg, const Scale& scale, double top, double bottom, const FormatNumber& format,
                 const std::string& label) {
  double taken = -1e9;
  for (const double tick : scale.ticks()) {
    const double x = scale.at(tick);
    svg.line(x, top, x, bottom, "grid");
    const std::string text = without_zeros(format(tick));
    const double half = text_width(text) / 2 + 3;
    const double at = std::min(x, Svg::kWidth - half);  // the last one stays in the drawing
    if (at - half < taken) continue;
    svg.text(at, bottom + 16, Anchor::kMiddle, text, "axis");
    taken = at + half;
  }
  const double middle = (scale.at(scale.low()) + scale.at(scale.high())) / 2;
  if (!label.empty()) svg.text(middle, bottom + 31, Anchor::kMiddle, label, "axis");
}

void draw_y_axis(Svg& svg, const Scale& scale, double left, double right, const FormatNumber& format,
                 const std::string& label, double top) {
  double taken = 1e9;
  for (const double tick : scale.ticks()) {
    const double y = scale.at(tick);
    svg.line(left, y, right, y, "grid");
    if (y + 7 > taken) continue;
    svg.text(left - 8, y + 3, Anchor::kEnd, without_zeros(format(tick)), "axis");
    taken = y - 7;
  }
  const double middle = (scale.at(scale.low()) + scale.at(scale.high())) / 2;
  if (!label.empty() && text_width(label) < 2 * std::abs(middle - top))
    svg.upright_text(14, middle, label, "axis");
  else if (!label.empty())
    svg.text(4, top - 8, Anchor::kStart, label, "axis");
}

double draw_legend(Svg& svg, const std::vector<LegendEntry>& entries, double x, double y) {
  const double begin = x;
  const double first_line = y;
  for (const auto& entry : entries) {
    const double width = legend_entry_width(entry);
    if (x > begin && x + width > kLegendEnd) {
      x = begin;
      y += kLegendLine;
    }
    svg.rect(x, y - 9, 10, 10, entry.css);
    svg.text(x + 14, y, Anchor::kStart, entry.name);
    x += width;
  }
  return y - first_line + kLegendLine;
}

double legend_height(const std::vector<LegendEntry>& entries, double x) {
  Svg nowhere("", 0);
  return draw_legend(nowhere, entries, x, 0);
}

}  // namespace rdusim::report
