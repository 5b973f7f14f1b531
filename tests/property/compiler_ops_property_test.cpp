// For every operator: does the shape rule promise what the reference gives, for random shapes? Is the cost
// sane?
#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "compiler/graph/graph_text.h"
#include "compiler/graph/interpreter.h"
#include "compiler/graph/verify.h"
#include "compiler/ops/activation.h"
#include "compiler/ops/op.h"

namespace rdusim::compiler {
namespace {

// A graph of one operator over sources of random shape.
class RandomCase {
 public:
  explicit RandomCase(Random& random) : random_(random), builder_(Graph{}) {
    builder_.set_activation_dtype(DType::kFp32);
  }

  int64_t extent(int64_t most = 6) {
    return 1 + static_cast<int64_t>(random_.below(static_cast<uint64_t>(most)));
  }

  ValueId source(int64_t rows, int64_t cols, SymbolRole role = SymbolRole::kInput,
                 DType dtype = DType::kFp32) {
    const std::string name = "in" + std::to_string(builder_.graph().values.size());
    return builder_.add_source(name, Shape{{rows, cols}}, dtype, role, name);
  }

  Result<ValueId> add(OpKind op);
  const Graph& graph() { return builder_.graph(); }

 private:
  Result<ValueId> node(OpKind op, std::vector<ValueId> inputs, std::vector<Attribute> attributes = {}) {
    return builder_.add(op, "result", std::move(inputs), std::move(attributes));
  }
  Result<ValueId> add_attention();

  Random& random_;
  GraphBuilder builder_;
};

Result<ValueId> RandomCase::add_attention() {
  const int64_t tokens = extent(), batch = extent(3), kv_heads = extent(3), heads = kv_heads * extent(3),
                dim = extent();
  const int64_t window = extent(3) - 1;
  const int64_t capacity = tokens + extent() - 1;
  const bool cached = random_.below(2) == 1;
  std::vector<ValueId> inputs = {source(batch * tokens, heads * dim), source(batch * tokens, kv_heads * dim),
                                 source(batch * tokens, kv_heads * dim)};
  for (int i = 0; cached && i < 2; ++i)
    inputs.push_back(source(batch * capacity, kv_heads * dim, SymbolRole::kKvCache));
  return node(OpKind::kAttention, std::move(inputs),
              {{"capacity", cached ? capacity : 0},
               {"causal", int64_t{1}},
               {"head_dim", dim},
               {"heads", heads},
               {"kv_heads", kv_heads},
               {"past_tokens", int64_t{0}},
               {"query_tokens", tokens},
               {"scale", 0.5},
               {"window", window}});
}

Result<ValueId> RandomCase::add(OpKind op) {
  const int64_t m = extent(), n = extent(), k = extent(), tokens = extent();
  switch (op) {
    case OpKind::kEmbedding:
      return node(op, {source(m, 1, SymbolRole::kInput, DType::kInt32), source(8, n, SymbolRole::kWeight)});
    case OpKind::kLinear: {
      std::vector<ValueId> inputs = {source(m, k), source(n, k, SymbolRole::kWeight)};
      if (random_.below(2) == 1) inputs.push_back(source(1, n, SymbolRole::kWeight));
      return node(op, std::move(inputs));
    }
    case OpKind::kRmsNorm:
      return node(op, {source(m, n), source(1, n)}, {{"eps", 1e-5}});
    case OpKind::kRope:
      return node(op, {source(m * tokens, k * 2 * n), source(tokens + 3, 2 * n)},
                  {{"head_dim", 2 * n}, {"past_tokens", int64_t{3}}, {"query_tokens", tokens}});
    case OpKind::kAttention:
      return add_attention();
    case OpKind::kSwiGlu:
    case OpKind::kSub:
    case OpKind::kAdd:
      return node(op, {source(m, n), source(m, n)});
    case OpKind::kSoftmax:
      return node(op, {source(m, n)});
    case OpKind::kDiv: {  // by something that is never zero
      const Result<ValueId> positive =
          builder_.add(OpKind::kActivation, "positive", {source(m, n)},
                       {{"form", static_cast<int64_t>(ActivationForm::kSoftplus)}});
      return node(op, {source(m, n), *positive});
    }
    case OpKind::kBlockLinear:
      return node(op, {source(m, n * k), source(tokens * k, n, SymbolRole::kWeight)}, {{"blocks", k}});
    case OpKind::kBlockLinearBack:
      return node(op, {source(m, tokens * k), source(tokens * k, n, SymbolRole::kWeight)}, {{"blocks", k}});
    case OpKind::kBlockLinearGrad:
      return node(op, {source(m, tokens * k), source(m, n * k)}, {{"blocks", k}});
    case OpKind::kConcatCols:
      return node(op, {source(m, n), source(m, k)});
    case OpKind::kMul:
      return node(
          op, {source(m * tokens, n), source(random_.below(2) == 1 ? m : 1, random_.below(2) == 1 ? n : 1)});
    case OpKind::kLinearBack:
      return node(op, {source(m, n), source(n, k, SymbolRole::kWeight)});
    case OpKind::kLinearGrad:
      return node(op, {source(m, n), source(m, k)});
    case OpKind::kRmsNormBack:
      return node(op, {source(m, n), source(1, n), source(m, n)}, {{"eps", 1e-5}});
    case OpKind::kRmsNormGrad:
      return node(op, {source(m, n), source(m, n)}, {{"eps", 1e-5}});
    case OpKind::kSwiGluBack:
      return node(op, {source(m, n), source(m, n), source(m, n)});
    case OpKind::kAttentionBack:
      return node(op,
                  {source(m * tokens, 2 * n * k), source(m * tokens, n * k), source(m * tokens, n * k),
                   source(m * tokens, 2 * n * k)},
                  {{"causal", extent(2) - 1},
                   {"head_dim", n},
                   {"heads", 2 * k},
                   {"kv_heads", k},
                   {"query_tokens", tokens},
                   {"scale", 0.5}});
    case OpKind::kCrossEntropy:
      return node(op, {source(m, 8), source(m, 1, SymbolRole::kInput, DType::kInt32)});
    case OpKind::kTargetLogit:
      return node(op, {source(m, 8), source(m, 1, SymbolRole::kInput, DType::kInt32), source(1, 1)});
    case OpKind::kCrossEntropyBack:
      if (random_.below(2) == 1) {
        return node(
            op, {source(m, 8), source(m, 1, SymbolRole::kInput, DType::kInt32), source(m, 1), source(1, 1)},
            {{"scale", 0.5}});
      }
      return node(op, {source(m, 8), source(m, 1, SymbolRole::kInput, DType::kInt32)}, {{"scale", 0.5}});
    case OpKind::kAdamW:
      return node(op,
                  {source(m, n), source(m, n, SymbolRole::kState), source(m, n, SymbolRole::kState),
                   source(m, n, SymbolRole::kState)},
                  {{"beta1", 0.9},
                   {"beta2", 0.999},
                   {"decay", 0.1},
                   {"eps", 1e-8},
                   {"rate", 1e-3},
                   {"step", int64_t{1}}});
    case OpKind::kTranspose:
      return node(op, {source(m * n, n)});
    case OpKind::kLastToken:
      return node(op, {source(m * tokens, n)}, {{"query_tokens", tokens}});
    case OpKind::kL2Normalize:
    case OpKind::kLogSumExp:
    case OpKind::kEntropy:
      return node(op, {source(m, n)});
    case OpKind::kAllReduce:
      return node(op, {source(m, n)}, {{"sockets", int64_t{1}}});
    case OpKind::kAllGather:
      return node(op, {source(m, n + k)}, {{"full_cols", n}, {"sockets", int64_t{1}}});
    case OpKind::kTopK:
      return node(op, {source(m, n + k)}, {{"k", k}});
    case OpKind::kVote:
      return node(op, {source(m, 2 * k), source(1, 8, SymbolRole::kWeight, DType::kInt32)},
                  {{"classes", n}, {"k", k}});
    case OpKind::kRoute:
      return node(op, {source(m, n), source(m, 1)}, {{"fallback", int64_t{0}}, {"threshold", 1.0}});
    case OpKind::kLayerNorm:
      return node(op, {source(m, n), source(1, n), source(1, n)}, {{"eps", 1e-5}});
    case OpKind::kHeadNorm:
      return node(op, {source(m, n * k), source(1, k)}, {{"eps", 1e-5}, {"head_dim", k}});
    case OpKind::kActivation:
      return node(op, {source(m, n)}, {{"form", extent(kActivationForms) - 1}});
    case OpKind::kScale:
      return node(op, {source(m, n)}, {{"scale", 0.5}});
    case OpKind::kSoftCap:
      return node(op, {source(m, n)}, {{"cap", 3.0}});
    case OpKind::kClamp:
      return node(op, {source(m, n)}, {{"limit", 3.0}});
    case OpKind::kSliceCols:
      return node(op, {source(m, n + k)}, {{"begin", n}, {"count", k}});
    case OpKind::kPositionAdd:
      return node(op, {source(m * tokens, n), source(tokens + 3, n)},
                  {{"past_tokens", int64_t{3}}, {"query_tokens", tokens}});
    case OpKind::kFirstToken:
      return node(op, {source(m * tokens, n)}, {{"query_tokens", tokens}});
    case OpKind::kMergeRows:
      return node(op, {source(m, n), source(m, 1, SymbolRole::kInput, DType::kInt32), source(8, n)});
    case OpKind::kMoeGate:
      return node(op, {source(m, n + k)}, {{"k", k}, {"normalize", extent(2) - 1}});
    case OpKind::kMoeExperts:
      return node(op,
                  {source(m, n), source(m, 2 * k), source(8 * tokens, n), source(8 * tokens, n),
                   source(8 * n, tokens)},
                  {{"experts", int64_t{8}}, {"form", int64_t{3}}, {"k", k}});
    case OpKind::kCausalConv:
      return node(op,
                  {source(m * tokens, n), source(k, n), source(1, n), source(m * k, n, SymbolRole::kState)},
                  {{"past_tokens", int64_t{0}}, {"query_tokens", tokens}});
    case OpKind::kSelectiveScan:  // one token: rates are not negative here, and longer products would
                                  // overflow
      return node(op,
                  {source(m, n), source(m, n), source(m, 2 * k), source(k, n), source(1, n),
                   source(m * k, n, SymbolRole::kState)},
                  {{"past_tokens", int64_t{0}}, {"query_tokens", int64_t{1}}});
    case OpKind::kCrossAttention:
      return node(op,
                  {source(m * tokens, 2 * n), source(m * (k + 1), n, SymbolRole::kKvCache),
                   source(m * (k + 1), n, SymbolRole::kKvCache)},
                  {{"capacity", k + 1},
                   {"head_dim", n},
                   {"heads", int64_t{2}},
                   {"keys", k},
                   {"kv_heads", int64_t{1}},
                   {"query_tokens", tokens},
                   {"scale", 0.5}});
  }
  return Error{ErrorCode::kUnsupported, "test", "no case for this operator", ""};
}

constexpr OpKind kAllOps[] = {
#define RDU_OP(enumerator, name) OpKind::enumerator,
#include "compiler/ops/ops.def"
#undef RDU_OP
};

class EveryOp : public testing::TestWithParam<OpKind> {};

TEST_P(EveryOp, ReferenceHasThePromisedShapeAndFiniteValues) {
  Random random(7 + static_cast<uint64_t>(GetParam()));
  for (int round = 0; round < 40; ++round) {
    RandomCase random_case(random);
    const Result<ValueId> result = random_case.add(GetParam());
    ASSERT_TRUE(result.ok()) << result.error().to_string();
    const Graph& graph = random_case.graph();
    ASSERT_TRUE(verify_graph(Graph(graph)).ok()) << verify_graph(graph).error().to_string();
    Interpreter interpreter(graph, true);
    for (size_t i = 0; i < graph.values.size(); ++i) {
      const Value& value = graph.values[i];
      if (value.producer || value.role == SymbolRole::kKvCache || value.role == SymbolRole::kState) continue;
      Tensor tensor(value.shape.rows(), value.shape.cols());
      for (float& x : tensor.values)
        x = static_cast<float>(random.below(8));  // whole: row numbers and labels too
      ASSERT_TRUE(interpreter.set(ValueId(i), std::move(tensor)).ok());
    }
    const Status ran = interpreter.run();  // a CHECK inside compares the shapes
    ASSERT_TRUE(ran.ok()) << ran.error().to_string();
    const Tensor& tensor = interpreter.get(*result);
    EXPECT_EQ(tensor.shape.elements(), graph.value(*result).shape.elements());
    for (const float x : tensor.values) ASSERT_TRUE(std::isfinite(x));
  }
}

TEST_P(EveryOp, CostIsNotNegativeAndGraphTextReadsBack) {
  Random random(99 + static_cast<uint64_t>(GetParam()));
  for (int round = 0; round < 20; ++round) {
    RandomCase random_case(random);
    ASSERT_TRUE(random_case.add(GetParam()).ok());
    const Graph& graph = random_case.graph();
    const OpCost cost = op_record(GetParam()).cost(graph, graph.nodes.back());
    EXPECT_GE(cost.flops, 0);
    EXPECT_GE(cost.weight_bytes, 0);
    const std::string text = print_graph(graph);
    const Result<Graph> parsed = parse_graph(text, "case");
    ASSERT_TRUE(parsed.ok()) << parsed.error().to_string() << "\n" << text;
    EXPECT_EQ(*parsed, graph) << text;
    EXPECT_EQ(print_graph(*parsed), text);
  }
}

TEST_P(EveryOp, RecordIsComplete) {
  const OpRecord& record = op_record(GetParam());
  EXPECT_FALSE(record.doc.empty());
  EXPECT_TRUE(std::is_sorted(record.attributes.begin(), record.attributes.end()));
  EXPECT_EQ(std::set<std::string_view>(record.attributes.begin(), record.attributes.end()).size(),
            record.attributes.size());
  EXPECT_NE(record.infer, nullptr);
  EXPECT_NE(record.cost, nullptr);
  EXPECT_NE(record.reference, nullptr);
}

INSTANTIATE_TEST_SUITE_P(Ops, EveryOp, testing::ValuesIn(kAllOps),
                         [](const auto& test) { return std::string(op_name(test.param)); });

// The product with the weight is what a linear costs, and the weight is read once.
TEST(Cost, LinearAndAttention) {
  GraphBuilder builder(Graph{});
  const ValueId x = builder.add_source("x", Shape{{3, 4}}, DType::kBf16, SymbolRole::kInput, "x");
  const ValueId w = builder.add_source("w", Shape{{5, 4}}, DType::kBf16, SymbolRole::kWeight, "w");
  ASSERT_TRUE(builder.add(OpKind::kLinear, "y", {x, w}).ok());
  const OpCost linear = op_record(OpKind::kLinear).cost(builder.graph(), builder.graph().nodes[0]);
  EXPECT_EQ(linear.flops, 2 * 3 * 5 * 4);
  EXPECT_EQ(linear.weight_bytes, 5 * 4 * 2);
  ASSERT_TRUE(builder
                  .add(OpKind::kAttention, "a", {x, x, x},
                       {{"capacity", int64_t{0}},
                        {"causal", int64_t{1}},
                        {"head_dim", int64_t{2}},
                        {"heads", int64_t{2}},
                        {"kv_heads", int64_t{2}},
                        {"past_tokens", int64_t{0}},
                        {"query_tokens", int64_t{3}},
                        {"scale", 1.0},
                        {"window", int64_t{0}}})
                  .ok());
  // 1 + 2 + 3 pairs, two heads of two
  EXPECT_EQ(op_record(OpKind::kAttention).cost(builder.graph(), builder.graph().nodes[1]).flops,
            4 * 2 * 2 * 6);
}

// The closed form of the number of pairs against counting them.
TEST(Cost, AttentionPairsCounted) {
  for (int64_t tokens = 1; tokens < 7; ++tokens) {
    for (int64_t past = 0; past < 7; ++past) {
      for (int64_t window = 0; window < 9; ++window) {
        GraphBuilder builder(Graph{});
        const ValueId x = builder.add_source("x", Shape{{tokens, 1}}, DType::kFp32, SymbolRole::kInput, "x");
        const ValueId k = builder.add_source("k", Shape{{16, 1}}, DType::kFp32, SymbolRole::kKvCache, "k");
        ASSERT_TRUE(builder
                        .add(OpKind::kAttention, "a", {x, x, x, k, k},
                             {{"capacity", int64_t{16}},
                              {"causal", int64_t{1}},
                              {"head_dim", int64_t{1}},
                              {"heads", int64_t{1}},
                              {"kv_heads", int64_t{1}},
                              {"past_tokens", past},
                              {"query_tokens", tokens},
                              {"scale", 1.0},
                              {"window", window}})
                        .ok());
        int64_t pairs = 0;
        for (int64_t p = past; p < past + tokens; ++p) pairs += window > 0 ? std::min(p + 1, window) : p + 1;
        EXPECT_EQ(op_record(OpKind::kAttention).cost(builder.graph(), builder.graph().nodes[0]).flops,
                  4 * pairs);
      }
    }
  }
}

// Text with a random byte changed either parses to a graph that prints back the same, or is an error with a
// place; it never crashes.
TEST(GraphText, SurvivesRandomChanges) {
  constexpr std::string_view kAlphabet = "0123456789%()[]{}=,\"\\ \nabe.-\x80";
  Random random(2024);
  for (int round = 0; round < 3000; ++round) {
    RandomCase random_case(random);
    ASSERT_TRUE(random_case.add(kAllOps[random.below(std::size(kAllOps))]).ok());
    std::string text = print_graph(random_case.graph());
    for (uint64_t changes = 1 + random.below(3); changes > 0; --changes) {
      const size_t at = random.below(text.size());
      if (random.below(3) == 0) {
        text.erase(at, 1 + random.below(4));
      } else {
        text[at] = kAlphabet[random.below(kAlphabet.size())];
      }
    }
    const Result<Graph> parsed = parse_graph(text, "t");
    if (!parsed.ok()) {
      EXPECT_FALSE(parsed.error().where.empty());
      continue;
    }
    const Result<Graph> again = parse_graph(print_graph(*parsed), "t");
    ASSERT_TRUE(again.ok()) << again.error().to_string() << print_graph(*parsed);
    EXPECT_EQ(*again, *parsed);
  }
}

}  // namespace
}  // namespace rdusim::compiler
