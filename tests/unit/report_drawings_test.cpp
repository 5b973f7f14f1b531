// Axes, lines, Sankey, roofline and floorplan: what is drawn, and what hostile numbers do.
#include <gtest/gtest.h>

#include <limits>

#include "report/axis.h"
#include "report/floorplan_chart.h"
#include "report/format.h"
#include "report/lines.h"
#include "report/roofline.h"
#include "report/sankey.h"

namespace rdusim::report {
namespace {

size_t count(const std::string& text, const std::string& what) {
  size_t n = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
  return n;
}

TEST(Scale, LinearBeginsAtZero) {
  const Scale scale = Scale::linear(10, 100, 200);
  EXPECT_EQ(scale.at(0), 100);
  EXPECT_EQ(scale.at(10), 200);
  EXPECT_EQ(scale.ticks().front(), 0);
}

TEST(Scale, LogarithmicRoundsOutwardsAndPutsDecadesApartEvenly) {
  const Scale scale = Scale::logarithmic(0.03, 700, 0, 100);
  EXPECT_DOUBLE_EQ(scale.low(), 0.02);
  EXPECT_DOUBLE_EQ(scale.high(), 1000);
  EXPECT_NEAR(scale.at(10) - scale.at(1), scale.at(1) - scale.at(0.1), 1e-9);
  EXPECT_EQ(scale.ticks(), (std::vector<double>{0.1, 1, 10, 100, 1000}));
}

TEST(Scale, AnyNumberOfAFileEnds) {
  const double huge = std::numeric_limits<double>::max();
  const double tiny = std::numeric_limits<double>::denorm_min();
  for (const double value : {huge, tiny, std::numeric_limits<double>::infinity(), 0.0, -1.0}) {
    EXPECT_LE(round_ticks(value).size(), 12U);
    EXPECT_LE(Scale::linear(value, 0, 1).ticks().size(), 12U);
  }
  EXPECT_LT(Scale::logarithmic(tiny, huge, 0, 1).ticks().size(), 1000U);
}

TEST(Svg, TextsOfUsersAreEscaped) {
  Svg svg("<title>", 10);
  svg.text(0, 0, Anchor::kStart, "<b>&\"", "axis");
  svg.rect(0, 0, 1, 1, "f0", "</title><script>");
  const auto text = svg.finish();
  EXPECT_EQ(count(text, "<script"), 0U);
  EXPECT_EQ(count(text, "<b>"), 0U);
  EXPECT_EQ(count(text, "&lt;title&gt;"), 2U);
}

TEST(Svg, LongLabelsEndInAnEllipsis) {
  EXPECT_EQ(fitted("short", 100), "short");
  const auto cut = fitted("a very long name of an expert, longer than its column", 100);
  EXPECT_TRUE(cut.ends_with("…"));
  EXPECT_LE(text_width(cut), 100);
  EXPECT_EQ(fitted("äöüäöüäöüäöüäöü", 40).find("\xC3…"), std::string::npos);  // no half character
}

LineChart two_lines() {
  return {"t", "x", "y", format_number, format_number, {{"a", {{1, 1}, {2, 4}}}, {"b", {{1, 2}, {2, 3}}}}};
}

TEST(LineCharts, EverySeriesHasItsLineMarksAndName) {
  const auto svg = line_chart(two_lines());
  EXPECT_EQ(count(svg, "class=\"line "), 2U);
  EXPECT_EQ(count(svg, "<circle"), 2U);  // marks of a; those of b are squares
  EXPECT_NE(svg.find("b: 3.00 at 2.00"), std::string::npos);
}

TEST(LineCharts, MarksHaveTheirWordAndNothingIsDrawnOfNothing) {
  auto chart = two_lines();
  chart.marks = {{2, "the answer"}};
  EXPECT_NE(line_chart(chart).find(">the answer</text>"), std::string::npos);
  chart.series.clear();
  EXPECT_NE(line_chart(chart).find("</svg>"), std::string::npos);
}

TEST(StackedArea, APeakBetweenDrawnSamplesIsKept) {
  std::vector<AreaSample> samples;
  for (int i = 0; i < 10'000; ++i) samples.push_back({i * 1.0, {i == 5003 ? 100.0 : 1.0}});
  const auto svg = stacked_area("a", {"p"}, samples, 10'000, 100, "capacity", format_number, format_number);
  EXPECT_LT(svg.size(), 20'000U);
  EXPECT_NE(svg.find("V37.0"), std::string::npos) << svg.substr(0, 3000);  // top of the plot
}

TEST(Sankey, BandsHaveTheWidthOfTheirAmountAndNoneOfNothing) {
  const auto svg =
      sankey("s", {{"a", 0, 1}, {"b", 1, 2}, {"c", 1, 3}}, {{0, 1, 300}, {0, 2, 100}}, format_number);
  EXPECT_EQ(count(svg, "class=\"band"), 2U);
  EXPECT_NE(svg.find("v142.5C"), std::string::npos) << svg;  // 3/4 of 190
  EXPECT_NE(svg.find("v47.5C"), std::string::npos);
  EXPECT_EQ(count(sankey("s", {{"a", 0, 1}}, {}, format_number), "class=\"band"), 0U);
}

TEST(Roofline, PointsLieUnderTheirRoof) {
  const auto svg = roofline("r", 1e12, {{"HBM", 1e12}},
                            {{"gemm", 100, 5e11, 0.9}, {"norm", 0.1, 5e10, 0.1}, {"none", 0, 0, 0}});
  EXPECT_EQ(count(svg, "<circle"), 2U);
  EXPECT_NE(svg.find("gemm: 100 operations a byte, 500 GFLOP/s, 90 % of the time"), std::string::npos) << svg;
}

TEST(Floorplan, EveryAreaAndLinkLevelIsDrawn) {
  FloorplanView plan{2, 4, 2, {"PMPM", "MPMP"}, {}};
  FloorplanSection section{
      "s", {{"wo", 0.75, {0, 2}}}, {{"kv", 0.31, {1, 3, 4}}}, {-1, 0, 9, -1, 10, -1, -1, 3}, 1.2, 0.5};
  const auto svg = floorplan_chart(plan, section);
  EXPECT_NE(svg.find("wo: 75 % busy"), std::string::npos);
  EXPECT_NE(svg.find("kv: 31 % filled"), std::string::npos);
  EXPECT_NE(svg.find("90 to 100 % of the link"), std::string::npos);
  EXPECT_NE(svg.find("more than the link carries"), std::string::npos);
  EXPECT_EQ(count(svg, "class=\"die\""), 3U);
}

}  // namespace
}  // namespace rdusim::report
