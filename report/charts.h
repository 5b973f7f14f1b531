// Charts as inline SVG text: stacked bars, a Gantt chart and cumulative distributions. Colours are CSS
// classes of the page (f0..f7 fill, s0..s7 stroke), so that a chart follows the reader's light or dark
// setting and prints on paper. No script: what a reader can hover is an SVG <title>. More kinds: lines.h,
// roofline.h, sankey.h, floorplan_chart.h.
#pragma once

#include <string>
#include <vector>

#include "report/axis.h"

namespace rdusim::report {

struct StackedBar {
  std::string label;
  std::vector<double> parts;  // not negative, as many as the chart has part names
};
// Horizontal bars on one scale, with a legend; the total stands at the end of each bar. `colours`: of the
// parts, class f<colour>; by default their positions.
std::string stacked_bars(const std::string& title, const std::vector<std::string>& part_names,
                         const std::vector<StackedBar>& bars, const FormatNumber& format,
                         const std::vector<size_t>& colours = {});

// Bars beside each other, one value each, its colour by class f<colour>.
struct PlainBar {
  std::string label;
  double value = 0;
  size_t colour = 3;
  std::string note{};  // stands behind the value
};
// Linear from 0: a bar is read by its length. What is too small to see has its number beside it.
std::string plain_bars(const std::string& title, const std::vector<PlainBar>& bars,
                       const FormatNumber& format);

struct GanttKind {
  std::string name;
  size_t colour = 0;  // class f<colour>
};
struct GanttSpan {
  size_t row = 0;
  size_t kind = 0;  // index of the kinds; later ones are drawn over earlier ones
  double begin = 0;
  double end = 0;
};
// Rows from top to bottom. Spans of one row and kind that stand closer than half a unit of the drawing are
// drawn as one, which bounds the size of the chart by its width, not by the number of spans. Each can be
// hovered.
std::string gantt(const std::string& title, const std::vector<std::string>& row_names,
                  const std::vector<GanttKind>& kinds, const std::vector<GanttSpan>& spans,
                  const FormatNumber& format);

struct DistributionSeries {
  std::string name;
  std::vector<double> values;  // any order
};
// Share of the values at or below x; logarithmic when the positive values span more than a factor of 30. At
// most 200 points a series are drawn.
std::string distribution(const std::string& title, const std::vector<DistributionSeries>& series,
                         const FormatNumber& format);

}  // namespace rdusim::report
