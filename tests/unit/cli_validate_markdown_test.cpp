// Generated blocks of a page: only they change.
#include <gtest/gtest.h>

#include "cli/validate/markdown.h"

namespace rdusim::cli {
namespace {

constexpr const char* kPage =
    "# Title\nprose\n<!-- rdusim: a -->\nold\n<!-- rdusim: end -->\nmore\n<!-- rdusim: b -->\nkept\n<!-- "
    "rdusim: "
    "end -->\n";

TEST(CliMarkdown, ReplacesTheNamedBlockAndNothingElse) {
  const auto page = with_blocks(kPage, {{"a", "new\n"}}, "page.md");
  ASSERT_TRUE(page.ok());
  EXPECT_EQ(
      *page,
      "# Title\nprose\n<!-- rdusim: a -->\nnew\n<!-- rdusim: end -->\nmore\n<!-- rdusim: b -->\nkept\n<!-- "
      "rdusim: end -->\n");
  EXPECT_EQ(*with_blocks(*page, {{"a", "new\n"}}, "page.md"), *page);
}

TEST(CliMarkdown, AnOpenBlockAndAPageWithoutBlocksAreErrors) {
  EXPECT_FALSE(with_blocks("<!-- rdusim: a -->\nold\n", {{"a", "new\n"}}, "page.md").ok());
  const auto none = with_blocks(kPage, {{"c", "new\n"}}, "page.md");
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().where, "page.md");
}

TEST(CliMarkdown, BarsInCellsAreEscaped) {
  EXPECT_EQ(markdown_table({{"x", "y"}, {{"1|2", "3"}}}), "| x | y |\n|---|---|\n| 1\\|2 | 3 |\n");
}

}  // namespace
}  // namespace rdusim::cli
