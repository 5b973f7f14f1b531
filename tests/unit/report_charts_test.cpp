#include "report/charts.h"

#include <gtest/gtest.h>

#include "report/format.h"
#include "report/page.h"

namespace rdusim::report {
namespace {

size_t count(const std::string& text, const std::string& what) {
  size_t n = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
  return n;
}

TEST(Charts, TicksAreRoundAndCoverTheRange) {
  EXPECT_EQ(round_ticks(1.0), (std::vector<double>{0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0}));
  EXPECT_EQ(round_ticks(430), (std::vector<double>{0, 100, 200, 300, 400}));
}

TEST(Charts, StackedBarsDrawOneRectangleAPartAndTheLegend) {
  const auto svg =
      stacked_bars("split", {"switching", "decode"}, {{"a", {1, 2}}, {"b", {0, 4}}}, format_time);
  EXPECT_EQ(count(svg, "<rect"), 2U + 3U);  // two in the legend; the empty part is not drawn
  EXPECT_NE(svg.find("switching: 1.00 s"), std::string::npos);
  EXPECT_NE(svg.find(">4.00 s</text>"), std::string::npos);
}

TEST(Charts, GanttMergesWhatCannotBeToldApart) {
  std::vector<GanttSpan> spans;
  for (int i = 0; i < 100'000; ++i) spans.push_back({0, 0, i * 1e-3, i * 1e-3 + 5e-4});
  EXPECT_LT(gantt("residency", {"expert"}, {{"resident", 0}}, spans, format_time).size(), 10'000U);
  const auto together = gantt("residency", {"e"}, {{"r", 0}}, {{0, 0, 0, 10}}, format_time);
  const auto apart = gantt("residency", {"e"}, {{"r", 0}}, {{0, 0, 0, 1}, {0, 0, 9, 10}}, format_time);
  EXPECT_EQ(count(apart, "v11h"), count(together, "v11h") + 1);
}

TEST(Charts, DistributionIsLogarithmicOverMoreThanAFactorOfThirty) {
  const auto linear = distribution("d", {{"a", {1, 2, 3}}}, format_number);
  const auto logarithmic = distribution("d", {{"a", {0.001, 1000}}}, format_number);
  EXPECT_NE(linear.find(">2<"), std::string::npos);
  EXPECT_NE(logarithmic.find(">1000<"), std::string::npos);
  EXPECT_NE(logarithmic.find(">0.001<"), std::string::npos);
}

TEST(Charts, NothingToDrawIsAnEmptyChartNotACrash) {
  EXPECT_NE(stacked_bars("s", {"a"}, {{"x", {0}}}, format_time).find("</svg>"), std::string::npos);
  EXPECT_NE(gantt("g", {}, {{"a", 0}}, {}, format_time).find("</svg>"), std::string::npos);
  EXPECT_NE(distribution("d", {{"a", {}}}, format_time).find("</svg>"), std::string::npos);
}

TEST(Page, IsSelfContained) {
  Page page{"Title <x>",
            "Summary",
            {{"Heading", {{"A sentence", stacked_bars("s", {"a"}, {{"x", {1}}}, format_time)}}}}};
  const auto html = page_html(page, Manifest{"0.1.0", "rdusim serve x", {{"configs/a.yaml", "ab"}}, 7});
  for (const char* outside : {"http:", "https:", "src=", "url(", "<script", "<link rel=\"style"}) {
    EXPECT_EQ(html.find(outside), std::string::npos) << outside;
  }
  EXPECT_NE(html.find("prefers-color-scheme:dark"), std::string::npos);
  EXPECT_NE(html.find("@media print"), std::string::npos);
  EXPECT_NE(html.find("Title &lt;x&gt;"), std::string::npos);
  EXPECT_NE(html.find("rdusim serve x"), std::string::npos);
  EXPECT_NE(html.find("configs/a.yaml"), std::string::npos);
}

}  // namespace
}  // namespace rdusim::report
