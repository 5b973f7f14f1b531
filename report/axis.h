// Scales of a chart: where a value stands in the drawing, and which values are written at its edge.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "report/svg.h"

namespace rdusim::report {

using FormatNumber = std::function<std::string(double)>;

// From [low, high] of the data to [begin, end] of the drawing. Linear scales begin at 0 unless the data are
// negative: a bar or a line is then read by its length. Logarithmic ones, for positive data only, go from
// power to power of ten (or to 1, 2, 5 times one where less than a decade is spanned).
class Scale {
 public:
  static Scale linear(double high, double begin, double end);
  static Scale logarithmic(double low, double high, double begin, double end);
  // Logarithmic when low > 0 and high / low > 30.
  static Scale fitting(double low, double high, double begin, double end);

  [[nodiscard]] double at(double value) const;
  [[nodiscard]] const std::vector<double>& ticks() const { return ticks_; }
  [[nodiscard]] bool is_logarithmic() const { return logarithmic_; }
  [[nodiscard]] double low() const { return low_; }
  [[nodiscard]] double high() const { return high_; }

 private:
  bool logarithmic_ = false;
  double low_ = 0;
  double high_ = 1;
  double begin_ = 0;
  double end_ = 1;
  std::vector<double> ticks_;
};

// Round numbers that cut [0, top] into four to eight parts, 0 included. top > 0.
std::vector<double> round_ticks(double top);

// Grid lines and labels; labels that would touch the one before are left out.
void draw_x_axis(Svg& svg, const Scale& scale, double top, double bottom, const FormatNumber& format,
                 const std::string& label);
void draw_y_axis(Svg& svg, const Scale& scale, double left, double right, const FormatNumber& format,
                 const std::string& label, double top);

// Coloured squares with their names, from `x`, in as many lines as they need; returns the height used.
struct LegendEntry {
  std::string name;
  std::string css;  // of the square
};
double draw_legend(Svg& svg, const std::vector<LegendEntry>& entries, double x, double y);
// What draw_legend will use.
double legend_height(const std::vector<LegendEntry>& entries, double x);

}  // namespace rdusim::report
