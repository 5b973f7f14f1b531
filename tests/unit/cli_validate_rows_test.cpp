// Rows of validation: how a published number or range judges ours, and how rows are printed.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "cli/validate/groups.h"
#include "cli/validate/output.h"

namespace rdusim::cli {
namespace {

ValidationRow row_of(Published published, double simulated, std::optional<double> tolerance) {
  ValidationRow row{"a", "what", "source", published, simulated, "x", tolerance, "rdusim", "group"};
  return row;
}

TEST(CliValidateRows, ANumberAllowsItsToleranceOnBothSides) {
  EXPECT_TRUE(row_of(Published::exactly(100), 105, 5).passed());
  EXPECT_TRUE(row_of(Published::exactly(100), 95, 5).passed());
  EXPECT_FALSE(row_of(Published::exactly(100), 105.1, 5).passed());
  EXPECT_FALSE(row_of(Published::exactly(100), 94.9, 5).passed());
  EXPECT_NEAR(row_of(Published::exactly(100), 94, 5).error_percent(), -6, 1e-9);
}

TEST(CliValidateRows, NoToleranceIsNotJudgedAndZeroMeansEqual) {
  EXPECT_TRUE(row_of(Published::exactly(1), 2, {}).passed());
  EXPECT_FALSE(row_of(Published::exactly(1), 2, {}).judged());
  EXPECT_TRUE(row_of(Published::exactly(148), 148, 0).passed());
  EXPECT_FALSE(row_of(Published::exactly(148), 149, 0).passed());
  EXPECT_TRUE(row_of(Published::exactly(0), 0, 0).passed());
  EXPECT_FALSE(row_of(Published::exactly(0), 1, 0).passed());
}

TEST(CliValidateRows, ARangeIsMeasuredFromItsNearerEnd) {
  const Published range = Published::between(1.5, 3);
  EXPECT_DOUBLE_EQ(row_of(range, 2, 0).error_percent(), 0);
  EXPECT_TRUE(row_of(range, 1.5, 0).passed());
  EXPECT_TRUE(row_of(range, 3, 0).passed());
  EXPECT_FALSE(row_of(range, 3.01, 0).passed());
  EXPECT_NEAR(row_of(range, 3.3, 0).error_percent(), 10, 1e-9);
  EXPECT_NEAR(row_of(range, 1.2, 0).error_percent(), -20, 1e-9);
  EXPECT_TRUE(row_of(Published::at_least(850), 1e9, 0).passed());
  EXPECT_FALSE(row_of(Published::at_least(850), 849, 0).passed());
  EXPECT_TRUE(row_of(Published::at_most(2e9), 1, 0).passed());
  EXPECT_FALSE(row_of(Published::at_most(2e9), 2.1e9, 0).passed());
}

TEST(CliValidateRows, OpenEndsAreNullInJson) {
  const auto json = rows_json({row_of(Published::at_least(850), 900, 0)});
  EXPECT_EQ(json[0]["published"], 900);
  EXPECT_EQ(json[0]["published_range"][0], 850);
  EXPECT_TRUE(json[0]["published_range"][1].is_null());
  EXPECT_EQ(published_text(Published::at_least(850)), "at least 850");
  EXPECT_EQ(published_text(Published::between(1.5, 3)), "1.5 to 3");
}

TEST(CliValidateRows, ALongGroupIsSummedUpButShowsWhatFallsShort) {
  ValidationRows rows;
  for (int i = 0; i < 10; ++i) rows.push_back(row_of(Published::exactly(100), 100 + i, 8));
  const auto table = validation_table(rows, 5);
  ASSERT_EQ(table.rows.size(), 2U);
  EXPECT_EQ(table.rows[0].back(), "FALLS SHORT");
  EXPECT_EQ(table.rows[1].back(), "9 of 10 pass");
  EXPECT_EQ(validation_table(rows, 0).rows.size(), 10U);
}

TEST(CliValidateRows, IdsHaveLettersDigitsDotsAndSingleDashes) {
  EXPECT_EQ(row_id("Llama-2-7B, n=128 (batch 1)"), "llama-2-7b-n-128-batch-1");
  EXPECT_EQ(row_id("1.5 x"), "1.5-x");
}

TEST(CliValidateRows, GroupsHaveDistinctIds) {
  std::set<std::string> ids;
  for (const ValidationGroup& group : validation_groups()) {
    EXPECT_TRUE(ids.insert(group.id).second) << group.id;
    EXPECT_EQ(row_id(group.id), group.id);
  }
  EXPECT_GE(ids.size(), 9U);
}

}  // namespace
}  // namespace rdusim::cli
