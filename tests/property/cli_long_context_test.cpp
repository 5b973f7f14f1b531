// A long sequence in pieces: prefill in chunks and single steps, with caches of the window's rows (rings),
// recurrent states or a bias by distance between them, must give at every position what one prefill of the
// whole sequence gives on the reference interpreter. FP32 activations: the order of summation is all that
// differs.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <cmath>
#include <ostream>

#include "base/program/program_text.h"
#include "base/random.h"
#include "cli/chip_runner.h"
#include "models/fixture.h"
#include "tests/support/small_chip.h"

namespace rdusim::cli {
namespace {

const std::string kFixtures = std::string(RDUSIM_SOURCE_DIR) + "/tests/fixtures/models/";
constexpr int64_t kTokens = 190;

Tensor ids_of(const std::vector<int64_t>& tokens, int64_t begin, int64_t count) {
  Tensor ids(count, 1);
  for (int64_t i = 0; i < count; ++i)
    ids.at(i, 0) = static_cast<float>(tokens[static_cast<size_t>(begin + i)]);
  return ids;
}

models::GraphRequest piece(int64_t past, int64_t count) {
  models::GraphRequest request;
  request.phase = count == 1 && past > 0 ? models::Phase::kDecode : models::Phase::kPrefill;
  request.query_tokens = count;
  request.past_tokens = past;
  request.kv_capacity = kTokens;
  request.activations = DType::kFp32;
  request.all_logits = true;
  return request;
}

// Lengths of the pieces: at random one token, fewer than a block, more than the window, or several blocks.
std::vector<int64_t> random_pieces(Random& random) {
  std::vector<int64_t> pieces;
  for (int64_t done = 0; done < kTokens; done += pieces.back()) {
    const int64_t most[] = {1, 5, 30, 100};
    const auto length = 1 + static_cast<int64_t>(random.below(static_cast<uint64_t>(most[random.below(4)])));
    pieces.push_back(std::min(length, kTokens - done));
  }
  return pieces;
}

struct Case {
  const char* fixture;
  int64_t window;  // 0: none
  uint64_t seed;
  int64_t key_block = 0;
};
// How test names and failures show it.
void PrintTo(const Case& c, std::ostream* out) {
  *out << c.fixture << " window " << c.window << " seed " << c.seed << " key block " << c.key_block;
}

class LongContext : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    auto loaded = models::load_fixture(kFixtures + GetParam().fixture);
    ASSERT_TRUE(loaded.ok()) << loaded.error().to_string();
    fixture_.emplace(std::move(*loaded));
    for (int64_t i = 0; i < kTokens; ++i) tokens_.push_back(static_cast<int64_t>(random_.below(100)));
    const auto executor = models::interpreter_executor(fixture_->weights);
    models::TensorMap caches;
    auto whole = run(executor, 0, kTokens, caches);
    ASSERT_TRUE(whole.ok()) << whole.error().to_string();
    expected_ = std::move(*whole);
  }

  Result<Tensor> run(const models::GraphExecutor& executor, int64_t past, int64_t count,
                     models::TensorMap& caches) {
    RDU_ASSIGN(const auto graph, fixture_->model->build(piece(past, count)));
    RDU_ASSIGN(auto outputs, executor(graph, {{"token_ids", ids_of(tokens_, past, count)}}, caches));
    return outputs.at("logits");
  }

  void expect_pieces(const models::GraphExecutor& executor, const std::vector<int64_t>& pieces) {
    models::TensorMap caches;
    int64_t past = 0;
    for (const int64_t count : pieces) {
      auto logits = run(executor, past, count, caches);
      ASSERT_TRUE(logits.ok()) << logits.error().to_string();
      ASSERT_EQ(logits->rows(), count);
      float worst = 0;
      for (int64_t r = 0; r < count; ++r) {
        for (int64_t c = 0; c < logits->cols(); ++c)
          worst = std::max(worst, std::abs(logits->at(r, c) - expected_.at(past + r, c)));
      }
      ASSERT_LT(worst, 5e-4F) << "tokens " << past << " to " << past + count;
      past += count;
    }
    for (const auto& [name, cache] : caches) {
      if (name.starts_with("k_cache")) {
        EXPECT_EQ(cache.rows(), GetParam().window > 0 ? GetParam().window : kTokens) << name;
      }
    }
  }

  Random random_{GetParam().seed};
  std::optional<models::Fixture> fixture_;
  std::vector<int64_t> tokens_;
  Tensor expected_{0, 0};
};

TEST_P(LongContext, PiecesEqualTheWholeOnTheInterpreter) {
  expect_pieces(models::interpreter_executor(fixture_->weights), random_pieces(random_));
}

TEST_P(LongContext, PiecesEqualTheWholeOnTheChip) {
  for (const int64_t sockets : {1, 2}) {
    for (const auto fusion : {compiler::Fusion::kNone, compiler::Fusion::kLayer, compiler::Fusion::kAuto}) {
      const std::vector<int64_t> pieces = random_pieces(random_);
      SCOPED_TRACE(fmt::format("{} sockets, fusion {}", sockets, compiler::fusion_name(fusion)));
      compiler::CompileOptions options;
      options.sockets = sockets;
      options.fusion = fusion;
      options.key_block = GetParam().key_block;
      const NodeSpec node = rdusim::testing::small_node(sockets);
      ChipRunner chip(node, node.stacks[0], options, fixture_->weights);
      expect_pieces(chip.executor(), pieces);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Fixtures, LongContext,
                         ::testing::Values(Case{"samba-1", 8, 1}, Case{"samba-2", 16, 2},
                                           Case{"samba-2", 16, 3}, Case{"mistral-1", 8, 4},
                                           Case{"bloom-1", 0, 5}, Case{"bloom-2", 0, 6},
                                           Case{"bloom-2", 0, 7, 24}));

TEST(LongContextProgram, ARingPrintsAndParsesBack) {
  auto fixture = models::load_fixture(kFixtures + "samba-1");
  ASSERT_TRUE(fixture.ok()) << fixture.error().to_string();
  auto graph = fixture->model->build(piece(60, 40));
  ASSERT_TRUE(graph.ok()) << graph.error().to_string();
  auto program = compiler::compile(*graph, rdusim::testing::small_chip(), {});
  ASSERT_TRUE(program.ok()) << program.error().to_string();
  int64_t rings = 0;
  for (const Section& section : program->sections) {
    for (const Unit& unit : section.units) rings += unit.stream && unit.stream->ring == 8 ? 1 : 0;
  }
  EXPECT_GT(rings, 0);
  auto back = parse_program(print_program(*program), "program");
  ASSERT_TRUE(back.ok()) << back.error().to_string();
  EXPECT_EQ(*back, *program);
}

}  // namespace
}  // namespace rdusim::cli
