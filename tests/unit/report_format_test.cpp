#include "report/format.h"

#include <gtest/gtest.h>

#include "report/table.h"

namespace rdusim::report {
namespace {

TEST(ReportFormat, TimeTakesTheUnitThatLeavesThreeDigits) {
  EXPECT_EQ(format_time(0.0135), "13.5 ms");
  EXPECT_EQ(format_time(0.421), "421 ms");
  EXPECT_EQ(format_time(1.018), "1.02 s");
  EXPECT_EQ(format_time(31.6e-6), "31.6 µs");
  EXPECT_EQ(format_time(0), "0 s");
  EXPECT_EQ(format_time(4000), "4000 s");
}

TEST(ReportFormat, RoundingDoesNotPrintAThousandOfTheSmallerUnit) {
  EXPECT_EQ(format_time(0.99949), "999 ms");
  EXPECT_EQ(format_time(0.9996), "1.00 s");
}

TEST(ReportFormat, BytesAreDecimalAndWholeBelowAThousand) {
  EXPECT_EQ(format_bytes(13'476'831'232.0), "13.5 GB");
  EXPECT_EQ(format_bytes(64), "64 B");
  EXPECT_EQ(format_bandwidth(1.53e12), "1.53 TB/s");
}

TEST(ReportFormat, CountsAreGroupedByThree) {
  EXPECT_EQ(format_count(6'738'415'616), "6 738 415 616");
  EXPECT_EQ(format_count(999), "999");
  EXPECT_EQ(format_count(-1234), "-1 234");
}

TEST(ReportFormat, SharesAndRatios) {
  EXPECT_EQ(format_percent(0.41), "41 %");
  EXPECT_EQ(format_percent(0.004), "0.4 %");
  EXPECT_EQ(format_ratio(31.2), "31.2×");
}

TEST(ReportTable, ColumnsAlignNumbersRightAndWordsLeft) {
  Table table{{"node", "time"}, {{"sn40l-8", "13.5 ms"}, {"dgx", "421 µs"}}};
  EXPECT_EQ(table_text(table),
            "node        time\n"
            "sn40l-8  13.5 ms\n"
            "dgx       421 µs\n");
}

TEST(ReportTable, CsvQuotesWhatNeedsIt) {
  EXPECT_EQ(csv_line({"a,b", "say \"x\"", "plain"}), "\"a,b\",\"say \"\"x\"\"\",plain\n");
}

TEST(ReportTable, HtmlIsEscaped) {
  Table table{{"<script>"}, {{"a & b"}}};
  const auto html = table_html(table);
  EXPECT_EQ(html.find("<script>"), std::string::npos);
  EXPECT_NE(html.find("&lt;script&gt;"), std::string::npos);
  EXPECT_NE(html.find("a &amp; b"), std::string::npos);
}

}  // namespace
}  // namespace rdusim::report
