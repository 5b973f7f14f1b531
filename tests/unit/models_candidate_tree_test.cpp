// Candidate trees: paths, masks, what is accepted, and tokens a step by hand.
#include <gtest/gtest.h>

#include "models/candidate_tree.h"
#include "models/constants.h"

namespace rdusim::models {
namespace {

CandidateTree small_tree() {
  auto tree = CandidateTree::from_text("# root's children, then a grandchild\n0\n1\n0 0\n0 1\n", "tree.txt");
  EXPECT_TRUE(tree.ok());
  return *tree;
}

TEST(CandidateTree, PathsBecomeNodes) {
  const CandidateTree tree = small_tree();
  EXPECT_EQ(tree.parents(), (std::vector<int64_t>{-1, 0, 0, 1, 1}));
  EXPECT_EQ(tree.depth(), 2);
  EXPECT_EQ(tree.max_rank(), 1);
  EXPECT_EQ(depths_of(tree.parents()), (std::vector<int64_t>{0, 1, 1, 2, 2}));
  EXPECT_EQ(tree.tokens(7, {{20, 21}, {30, 31}}), (std::vector<int64_t>{7, 20, 21, 30, 31}));
}

TEST(CandidateTree, ExpectedTokensByHand) {
  // Head 0: 0.6, then 0.2 more; head 1: 0.5, 0.1 more. 1 + 0.6 + 0.2 + 0.6 * 0.5 + 0.6 * 0.1.
  EXPECT_NEAR(small_tree().expected_tokens({{0.6, 0.8}, {0.5, 0.6}}), 2.16, 1e-12);
  // A head that is not known adds nothing.
  EXPECT_NEAR(small_tree().expected_tokens({{0.6, 0.8}}), 1.8, 1e-12);
  EXPECT_NEAR(CandidateTree().expected_tokens({}), 1.0, 1e-12);
}

TEST(CandidateTree, TheLongestRightPathIsAccepted) {
  const CandidateTree tree = small_tree();
  const std::vector<int64_t> tokens = {7, 20, 21, 30, 31};
  EXPECT_EQ(tree.accept(tokens, {20, 31, 0, 0, 0}), (std::vector<int64_t>{0, 1, 4}));
  EXPECT_EQ(tree.accept(tokens, {21, 31, 0, 0, 0}), (std::vector<int64_t>{0, 2}));
  EXPECT_EQ(tree.accept(tokens, {5, 30, 0, 0, 0}), (std::vector<int64_t>{0}));
}

TEST(CandidateTree, BadPathsAreErrors) {
  const auto orphan = CandidateTree::from_paths({{0, 0}});
  ASSERT_FALSE(orphan.ok());
  EXPECT_NE(orphan.error().what.find("before the path that it continues"), std::string::npos);
  EXPECT_FALSE(CandidateTree::from_paths({{0}, {0}}).ok());
  EXPECT_FALSE(CandidateTree::from_paths({{}}).ok());
  EXPECT_FALSE(CandidateTree::from_paths({{-1}}).ok());
  const auto word = CandidateTree::from_text("0\n0 x\n", "tree.txt");
  ASSERT_FALSE(word.ok());
  EXPECT_EQ(word.error().where, "tree.txt:2:1");
}

TEST(CandidateTree, ConstantsOfATree) {
  const auto read = [](const std::string&) -> Result<Tensor> {
    return Error{ErrorCode::kNotFound, "", "", ""};
  };
  const std::vector<int64_t> parents = {-1, 0, 0, 1};
  // Rows 10, 11, 11, 12 of the plain table.
  const auto rows = generate_constant(tree_rope_source({}, 4, 10, parents), read);
  const auto table = generate_constant(rope_table_source({}, 4, 13), read);
  ASSERT_TRUE(rows && rows->ok() && table && table->ok());
  const int64_t positions[] = {10, 11, 11, 12};
  for (int64_t r = 0; r < 4; ++r) {
    for (int64_t c = 0; c < 4; ++c) EXPECT_EQ((*rows)->at(r, c), (*table)->at(positions[r], c));
  }
  const auto bad = generate_constant("rope_table?dim=4&theta=10000&past=3&parents=-1.1", read);
  ASSERT_TRUE(bad.has_value());
  EXPECT_FALSE(bad->ok());
}

}  // namespace
}  // namespace rdusim::models
