// Lines over one axis: what a sweep or an occupancy looks like. Series differ by colour and by the shape of
// their marks, so that they can be told apart in print and by colour-blind readers.
#pragma once

#include <string>
#include <vector>

#include "report/axis.h"

namespace rdusim::report {

struct LinePoint {
  double x = 0;
  double y = 0;
};
struct LineSeries {
  std::string name;
  std::vector<LinePoint> points;  // by x
};
// A vertical line with a word: where the answer stands.
struct LineMark {
  double x = 0;
  std::string label;
};
struct LineChart {
  std::string title;
  std::string x_label;
  std::string y_label;
  FormatNumber x_format;
  FormatNumber y_format;
  std::vector<LineSeries> series;
  std::vector<LineMark> marks{};
  bool x_logarithmic = false;
  bool y_logarithmic = false;
};
std::string line_chart(const LineChart& chart);

// Parts that lie on each other over time, each held until the next sample; `limit` is a line across, 0: none.
struct AreaSample {
  double at = 0;
  std::vector<double> parts;  // as many as there are names
};
std::string stacked_area(const std::string& title, const std::vector<std::string>& part_names,
                         const std::vector<AreaSample>& samples, double end, double limit,
                         const std::string& limit_name, const FormatNumber& x_format,
                         const FormatNumber& y_format);

}  // namespace rdusim::report
