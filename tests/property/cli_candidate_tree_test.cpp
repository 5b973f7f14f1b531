// A step that verifies a tree of candidates must change nothing but the speed: every node's logits are those
// of its path alone, and greedy decoding by trees gives the tokens of greedy decoding one by one. Through the
// reference interpreter and through the chip, FP32 activations.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/random.h"
#include "cli/chip_runner.h"
#include "models/candidate_tree.h"
#include "models/fixture.h"
#include "tests/support/small_chip.h"

namespace rdusim::cli {
namespace {

using models::CandidateTree;

const std::string kFixtures = std::string(RDUSIM_SOURCE_DIR) + "/tests/fixtures/models/";
constexpr int64_t kCapacity = 90;

Tensor ids_of(const std::vector<int64_t>& tokens) {
  Tensor ids(static_cast<int64_t>(tokens.size()), 1);
  for (size_t i = 0; i < tokens.size(); ++i) ids.values[i] = static_cast<float>(tokens[i]);
  return ids;
}

int64_t best_of(const Tensor& logits, int64_t row) {
  int64_t best = 0;
  for (int64_t c = 1; c < logits.cols(); ++c) best = logits.at(row, c) > logits.at(row, best) ? c : best;
  return best;
}

// The k largest of a row, largest first.
std::vector<int64_t> best_k(const Tensor& logits, int64_t row, int64_t k) {
  std::vector<int64_t> order(static_cast<size_t>(logits.cols()));
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int64_t>(i);
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return logits.at(row, a) > logits.at(row, b); });
  order.resize(static_cast<size_t>(k));
  return order;
}

models::GraphRequest request(int64_t past, int64_t count, const std::vector<int64_t>& tree = {}) {
  models::GraphRequest r;
  r.phase = count > 1 && tree.empty() ? models::Phase::kPrefill : models::Phase::kDecode;
  r.query_tokens = count;
  r.past_tokens = past;
  r.kv_capacity = kCapacity;
  r.activations = DType::kFp32;
  r.all_logits = true;
  r.tree = tree;
  return r;
}

class CandidateTreeStep : public ::testing::TestWithParam<std::tuple<const char*, int64_t>> {
 protected:
  void SetUp() override {
    auto loaded = models::load_fixture(kFixtures + std::get<0>(GetParam()));
    ASSERT_TRUE(loaded.ok()) << loaded.error().to_string();
    fixture_.emplace(std::move(*loaded));
    const int64_t sockets = std::get<1>(GetParam());
    if (sockets == 0) {
      executor_ = models::interpreter_executor(fixture_->weights);
      return;
    }
    compiler::CompileOptions options;
    options.sockets = sockets;
    const NodeSpec node = rdusim::testing::small_node(sockets);
    chip_ = std::make_unique<ChipRunner>(node, node.stacks[0], options, fixture_->weights);
    executor_ = chip_->executor();
  }

  models::TensorMap run(const models::GraphRequest& r, const std::vector<int64_t>& tokens,
                        models::TensorMap& caches) {
    auto graph = fixture_->model->build(r);
    EXPECT_TRUE(graph.ok()) << graph.error().to_string();
    if (!graph.ok()) return {};
    auto outputs = executor_(*graph, {{"token_ids", ids_of(tokens)}}, caches);
    EXPECT_TRUE(outputs.ok()) << outputs.error().to_string();
    return outputs.ok() ? std::move(*outputs) : models::TensorMap{};
  }

  // What the runtime does after a step: the accepted rows move to the end of the cache.
  static void keep_path(models::TensorMap& caches, int64_t past, const std::vector<int64_t>& path) {
    for (auto& [name, cache] : caches) {
      for (size_t i = 0; i < path.size(); ++i) {
        for (int64_t c = 0; c < cache.cols(); ++c)
          cache.at(past + static_cast<int64_t>(i), c) = cache.at(past + path[i], c);
      }
    }
  }

  std::optional<models::Fixture> fixture_;
  std::unique_ptr<ChipRunner> chip_;
  models::GraphExecutor executor_;
};

const std::vector<std::vector<int64_t>> kPaths = {{0},       {0, 0}, {1}, {0, 1},
                                                  {0, 0, 0}, {1, 0}, {2}, {0, 0, 1}};

TEST_P(CandidateTreeStep, EveryNodeHasTheLogitsOfItsPath) {
  auto tree = CandidateTree::from_paths(kPaths);
  ASSERT_TRUE(tree.ok()) << tree.error().to_string();
  const std::vector<int64_t> prompt = {5, 17, 3, 44, 8, 21, 30};
  const std::vector<int64_t> candidates = {9, 40, 2, 7, 33, 50, 12, 6, 28};
  const auto past = static_cast<int64_t>(prompt.size());
  models::TensorMap caches;
  run(request(0, past), prompt, caches);
  models::TensorMap tree_caches = caches;
  const auto step =
      run(request(past, static_cast<int64_t>(candidates.size()), tree->parents()), candidates, tree_caches);
  for (size_t node = 0; node < candidates.size(); ++node) {
    std::vector<int64_t> path;
    for (auto at = static_cast<int64_t>(node); at >= 0; at = tree->nodes()[static_cast<size_t>(at)].parent)
      path.insert(path.begin(), candidates[static_cast<size_t>(at)]);
    models::TensorMap path_caches = caches;
    const auto alone = run(request(past, static_cast<int64_t>(path.size())), path, path_caches);
    for (const auto& [name, expected] : alone) {
      const Tensor& got = step.at(name);
      float worst = 0;
      for (int64_t c = 0; c < expected.cols(); ++c) {
        worst = std::max(
            worst, std::abs(got.at(static_cast<int64_t>(node), c) - expected.at(expected.rows() - 1, c)));
      }
      EXPECT_LT(worst, 5e-4F) << name << ", node " << node;
    }
  }
}

TEST_P(CandidateTreeStep, GreedyByTreesGivesTheGreedyTokens) {
  auto tree = CandidateTree::from_paths(kPaths);
  ASSERT_TRUE(tree.ok()) << tree.error().to_string();
  constexpr int64_t kAnswer = 14;
  std::vector<int64_t> prompt = fixture_->prompts.front();
  auto past = static_cast<int64_t>(prompt.size());

  models::TensorMap caches;
  Tensor logits = run(request(0, past), prompt, caches).at("logits");
  std::vector<int64_t> expected = {best_of(logits, logits.rows() - 1)};
  for (int64_t at = past; static_cast<int64_t>(expected.size()) < kAnswer; ++at)
    expected.push_back(best_of(run(request(at, 1), {expected.back()}, caches).at("logits"), 0));

  models::TensorMap tree_caches;
  auto outputs = run(request(0, past), prompt, tree_caches);
  int64_t last = past - 1;  // row of the outputs that continues the sequence
  std::vector<int64_t> tokens;
  int64_t steps = 0;
  while (static_cast<int64_t>(tokens.size()) < kAnswer) {
    std::vector<std::vector<int64_t>> candidates;
    for (int64_t head = 0; head < tree->depth(); ++head) {
      // The next tokens as the answer knows them, so that paths are accepted; then the head's own.
      candidates.push_back(best_k(outputs.at(fmt::format("medusa_logits.{}", head)), last, 3));
      const size_t ahead = tokens.size() + 1 + static_cast<size_t>(head);
      if (ahead < expected.size() && (steps + head) % 3 != 2) candidates.back().front() = expected[ahead];
    }
    const auto nodes = tree->tokens(best_of(outputs.at("logits"), last), candidates);
    outputs = run(request(past, static_cast<int64_t>(nodes.size()), tree->parents()), nodes, tree_caches);
    std::vector<int64_t> chosen;
    for (size_t i = 0; i < nodes.size(); ++i)
      chosen.push_back(best_of(outputs.at("logits"), static_cast<int64_t>(i)));
    const auto path = tree->accept(nodes, chosen);
    for (const int64_t node : path) tokens.push_back(nodes[static_cast<size_t>(node)]);
    keep_path(tree_caches, past, path);
    past += static_cast<int64_t>(path.size());
    last = path.back();
    ++steps;
  }
  tokens.resize(static_cast<size_t>(kAnswer));
  EXPECT_EQ(tokens, expected);
  EXPECT_LT(steps, kAnswer);  // some candidates were right
}

// 0 sockets: the reference interpreter.
INSTANTIATE_TEST_SUITE_P(Fixtures, CandidateTreeStep,
                         ::testing::Combine(::testing::Values("medusa-1", "medusa-2"),
                                            ::testing::Values(0, 1, 2)));

}  // namespace
}  // namespace rdusim::cli
