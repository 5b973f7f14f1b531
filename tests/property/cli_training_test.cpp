// A training step of a small decoder layer with its loss: the gradients against finite differences of the
// loss, in FP32 by the reference interpreter; and every value of the step through the chip against the
// interpreter.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <cmath>
#include <cstring>

#include "base/random.h"
#include "cli/chip_runner.h"
#include "compiler/graph/interpreter.h"
#include "models/constants.h"
#include "models/training.h"
#include "tests/support/small_chip.h"

namespace rdusim::cli {
namespace {

using models::TrainingConfig;

TrainingConfig small_config() {
  TrainingConfig c;
  c.hidden = 16;
  c.layers = 2;
  c.heads = 4;
  c.kv_heads = 2;
  c.head_dim = 6;
  c.intermediate = 20;
  c.vocabulary = 23;
  c.tokens = 37;  // more than a block of rows, and a ragged one
  c.sequences = 2;
  c.weights = DType::kFp32;
  c.activations = DType::kFp32;
  return c;
}

// A tensor for every source: token numbers, small random weights, zero states but for the weights' copies.
std::map<std::string, Tensor> random_sources(const compiler::Graph& graph, uint64_t seed) {
  Random random(seed);
  std::map<std::string, Tensor> sources;
  for (const compiler::Value& v : graph.values) {
    if (v.producer || v.role == SymbolRole::kConstant || sources.contains(v.source)) continue;
    Tensor t(v.shape.rows(), v.shape.cols());
    for (float& x : t.values) {
      if (v.dtype == DType::kInt32) {
        x = static_cast<float>(random.below(23));
      } else if (v.role == SymbolRole::kState) {
        x = static_cast<float>(random.uniform() * 0.01);
      } else {
        x = static_cast<float>((random.uniform() * 2 - 1) * 0.5 + (v.shape.rows() == 1 ? 1 : 0));
      }
    }
    sources[v.source] = std::move(t);
  }
  return sources;
}

struct Outputs {
  std::map<std::string, Tensor> values;  // by name
  compiler::KvStore states;
};

Result<Outputs> interpret(const compiler::Graph& graph, const std::map<std::string, Tensor>& sources) {
  Outputs out;
  for (const compiler::Value& v : graph.values)
    if (v.role == SymbolRole::kState) out.states[v.name] = sources.at(v.source);
  compiler::Interpreter interpreter(graph, false, &out.states);
  const auto no_file = [](const std::string& name) -> Result<Tensor> {
    return Error{ErrorCode::kNotFound, name, "no file", ""};
  };
  for (size_t i = 0; i < graph.values.size(); ++i) {
    const compiler::Value& v = graph.values[i];
    if (v.producer || v.role == SymbolRole::kState) continue;
    if (v.role == SymbolRole::kConstant) {
      auto constant = models::generate_constant(v.source, no_file);
      if (!constant) return Error{ErrorCode::kNotFound, v.source, "no constant", ""};
      RDU_ASSIGN(Tensor tensor, std::move(*constant));
      RDU_CHECK_OK(interpreter.set(ValueId(i), std::move(tensor)));
    } else {
      RDU_CHECK_OK(interpreter.set(ValueId(i), sources.at(v.source)));
    }
  }
  RDU_CHECK_OK(interpreter.run());
  for (size_t i = 0; i < graph.values.size(); ++i)
    if (graph.values[i].producer) out.values[graph.values[i].name] = interpreter.get(ValueId(i));
  return out;
}

std::vector<uint8_t> weights_file(const compiler::Graph& graph,
                                  const std::map<std::string, Tensor>& sources) {
  std::string header;
  std::vector<uint8_t> data;
  for (const compiler::Value& v : graph.values) {
    if (v.role != SymbolRole::kWeight) continue;
    const Tensor& t = sources.at(v.source);
    const size_t begin = data.size();
    data.resize(begin + t.values.size() * sizeof(float));
    std::memcpy(data.data() + begin, t.values.data(), t.values.size() * sizeof(float));
    header += fmt::format(R"({}"{}":{{"dtype":"F32","shape":[{},{}],"data_offsets":[{},{}]}})",
                          header.empty() ? "" : ",", v.source, t.rows(), t.cols(), begin, data.size());
  }
  header = "{" + header + "}";
  const uint64_t length = header.size();
  std::vector<uint8_t> file(8 + header.size() + data.size());
  std::memcpy(file.data(), &length, 8);
  std::memcpy(file.data() + 8, header.data(), header.size());
  std::memcpy(file.data() + 8 + header.size(), data.data(), data.size());
  return file;
}

// Outputs and states after the step, by name.
Result<models::TensorMap> run_on_chip(const NodeSpec& node, const compiler::CompileOptions& options,
                                      const compiler::Graph& graph,
                                      const std::map<std::string, Tensor>& sources) {
  RDU_ASSIGN(const auto file, SafetensorsFile::from_bytes(weights_file(graph, sources), "weights"));
  ChipRunner chip(node, node.stacks[0], options, file);
  models::TensorMap inputs;
  models::TensorMap states;
  for (const compiler::Value& v : graph.values) {
    if (v.role == SymbolRole::kInput) inputs[v.name] = sources.at(v.source);
    if (v.role == SymbolRole::kState) states[v.name] = sources.at(v.source);
  }
  RDU_ASSIGN(ChipRun run, chip.run(graph, inputs, states));
  models::TensorMap all = std::move(run.outputs);
  all.merge(states);
  return all;
}

double mean_loss(const Tensor& rows) {
  double sum = 0;
  for (const float loss : rows.values) sum += static_cast<double>(loss);
  return sum / static_cast<double>(rows.values.size());
}

TEST(TrainingStep, GradientsAreThoseOfTheLoss) {
  auto graph = models::training_step("small", small_config());
  ASSERT_TRUE(graph.ok()) << graph.error().to_string();
  const auto sources = random_sources(*graph, 5);
  auto base = interpret(*graph, sources);
  ASSERT_TRUE(base.ok()) << base.error().to_string();
  Random random(8);
  int64_t checked = 0;
  for (const compiler::Value& weight : graph->values) {
    if (weight.role != SymbolRole::kWeight || !base->values.contains(weight.name + ".grad")) continue;
    const Tensor& gradient = base->values.at(weight.name + ".grad");
    ASSERT_EQ(gradient.rows(), weight.shape.rows()) << weight.name;
    for (int probe = 0; probe < 4; ++probe) {
      const size_t at = random.below(gradient.values.size());
      constexpr double kStep = 2e-2;
      double loss[2];
      for (int side = 0; side < 2; ++side) {
        auto moved = sources;
        moved[weight.source].values[at] += static_cast<float>(side == 0 ? -kStep : kStep);
        auto run = interpret(*graph, moved);
        ASSERT_TRUE(run.ok());
        loss[side] = mean_loss(run->values.at("loss"));
      }
      // FP32 losses near 3 are known to 1e-7: 1e-5 of a difference over 0.04, and the third derivative's
      // part.
      const double difference = (loss[1] - loss[0]) / (2 * kStep);
      EXPECT_NEAR(static_cast<double>(gradient.values[at]), difference, 2e-4 + 0.02 * std::abs(difference))
          << weight.name << " at " << at;
      ++checked;
    }
  }
  EXPECT_EQ(checked, 4 * (2 * 9 + 2));  // nine weights a layer, the last gain and the head
}

// The new weights of one step by the definition, from the gradients.
TEST(TrainingStep, TheOptimiserMovesTheWeights) {
  auto graph = models::training_step("small", small_config());
  ASSERT_TRUE(graph.ok()) << graph.error().to_string();
  const auto sources = random_sources(*graph, 5);
  auto run = interpret(*graph, sources);
  ASSERT_TRUE(run.ok()) << run.error().to_string();
  const models::AdamW adam = small_config().optimiser;
  const Tensor& g = run->values.at("layers.0.wq.grad");
  const std::string state = "layers.0.wq.";
  for (const size_t i : {size_t{0}, size_t{77}}) {
    const double m = adam.beta1 * static_cast<double>(sources.at(state + "mean").values[i]) +
                     (1 - adam.beta1) * static_cast<double>(g.values[i]);
    const double v = adam.beta2 * static_cast<double>(sources.at(state + "square").values[i]) +
                     (1 - adam.beta2) * static_cast<double>(g.values[i]) * static_cast<double>(g.values[i]);
    const auto w = static_cast<double>(sources.at(state + "master").values[i]);
    const double step = m / (1 - adam.beta1) / (std::sqrt(v / (1 - adam.beta2)) + adam.eps);
    EXPECT_NEAR(static_cast<double>(run->values.at("layers.0.wq.next").values[i]),
                w - adam.rate * (step + adam.decay * w), 1e-6);
    EXPECT_NEAR(static_cast<double>(run->states.at(state + "mean").values[i]), m, 1e-7);
  }
}

class TrainingOnChip : public ::testing::TestWithParam<compiler::Fusion> {};

NodeSpec node_of(int sockets) {
  NodeSpec node = rdusim::testing::small_node(sockets);
  node.chip.pcu.count = 256;
  node.chip.pmu.count = 512;
  return node;
}

// Every output and state of a step on so many sockets against the reference interpreter.
void expect_equals_the_interpreter(const TrainingConfig& config, int sockets, compiler::Fusion fusion) {
  auto graph = models::training_step("small", config);
  ASSERT_TRUE(graph.ok()) << graph.error().to_string();
  const auto sources = random_sources(*graph, 11);
  auto expected = interpret(*graph, sources);
  ASSERT_TRUE(expected.ok()) << expected.error().to_string();
  compiler::CompileOptions options;
  options.fusion = fusion;
  options.sockets = sockets;
  auto outputs = run_on_chip(node_of(sockets), options, *graph, sources);
  ASSERT_TRUE(outputs.ok()) << outputs.error().to_string();
  int64_t compared = 0;
  for (const auto& [name, got] : *outputs) {
    const bool state = expected->states.contains(name);
    const Tensor& want = state ? expected->states.at(name) : expected->values.at(name);
    ASSERT_EQ(got.values.size(), want.values.size()) << name;
    double worst = 0;
    for (size_t i = 0; i < got.values.size(); ++i)
      worst = std::max(worst, static_cast<double>(std::abs(got.values[i] - want.values[i])));
    EXPECT_LT(worst, 1e-4) << name;
    ++compared;
  }
  EXPECT_EQ(compared,
            1 + (2 * 9 + 2) * 4);  // the loss; of each weight: the new one, its copy, mean and square
}

TEST_P(TrainingOnChip, EqualsTheInterpreter) {
  expect_equals_the_interpreter(small_config(), 1, GetParam());
}

// The vocabulary, 23, does not divide: the last socket has fewer columns of the logits.
TEST_P(TrainingOnChip, OnTwoSocketsEqualsTheInterpreter) {
  expect_equals_the_interpreter(small_config(), 2, GetParam());
}

TEST_P(TrainingOnChip, OnFourSocketsEqualsTheInterpreter) {
  TrainingConfig config = small_config();
  config.kv_heads = 4;
  expect_equals_the_interpreter(config, 4, GetParam());
}

// What is cut over the sockets, and what they exchange: two sums a layer forward, two back; of the loss two
// numbers a row, and one sum of the gradient of the last layer's result.
TEST(TrainingOverSockets, GradientsAndStatesAreCutAsTheirWeights) {
  TrainingConfig config = small_config();
  config.vocabulary = 24;
  auto graph = models::training_step("small", config);
  ASSERT_TRUE(graph.ok()) << graph.error().to_string();
  compiler::CompileOptions options;
  options.sockets = 2;
  const auto program = compiler::compile(*graph, node_of(2).chip, options);
  ASSERT_TRUE(program.ok()) << program.error().to_string();
  std::map<std::string, const Symbol*> symbols;
  for (const Symbol& s : program->symbols) symbols[s.name] = &s;
  int64_t cut = 0;
  for (const compiler::Value& w : graph->values) {
    const std::string state = w.name + ".master";
    if (w.role != SymbolRole::kWeight || !symbols.contains(state)) continue;
    for (const char* part : {".master", ".mean", ".square", ".next"}) {
      const Symbol& s = *symbols.at(w.name + part);
      EXPECT_EQ(s.shard, symbols.at(w.name)->shard) << s.name;
      EXPECT_EQ(s.rows * s.cols * (s.shard.kind == ShardKind::kReplicated ? 1 : 2),
                s.full_rows * s.full_cols);
    }
    cut += symbols.at(w.name)->shard.kind != ShardKind::kReplicated ? 1 : 0;
  }
  EXPECT_EQ(cut, 2 * 7 + 1);  // all but gains
  int64_t exchanges = 0;
  for (const Launch& launch : program->launches) {
    for (const Unit& unit : program->sections[launch.section.value].units)
      exchanges += unit.kind == UnitKind::kSend ? 1 : 0;
  }
  // An all-reduce is two exchanges; an all-gather, of embeddings and of logarithms of sums, one.
  EXPECT_EQ(exchanges, 2 * (2 * 4 + 2) + 2);
}

TEST(TrainingOverSockets, SharedKeyValueHeadsAreRefused) {
  auto graph = models::training_step("small", small_config());
  ASSERT_TRUE(graph.ok()) << graph.error().to_string();
  compiler::CompileOptions options;
  options.sockets = 4;  // over two key/value heads
  const auto program = compiler::compile(*graph, node_of(4).chip, options);
  ASSERT_FALSE(program.ok());
  EXPECT_EQ(program.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(program.error().what.find("2 key/value heads do not divide over 4 sockets"), std::string::npos)
      << program.error().to_string();
}

// Block-diagonal weights: the step equals that of dense weights that hold the blocks and zeros elsewhere.
TEST(SparseTraining, EqualsDenseWeightsWithZeros) {
  TrainingConfig sparse = small_config();
  sparse.head_dim = 4;
  sparse.vocabulary = 24;
  sparse.weight_blocks = 4;
  TrainingConfig dense = sparse;
  dense.weight_blocks = 1;
  auto graph = models::training_step("sparse", sparse);
  auto full = models::training_step("dense", dense);
  ASSERT_TRUE(graph.ok()) << graph.error().to_string();
  ASSERT_TRUE(full.ok()) << full.error().to_string();
  const auto sources = random_sources(*graph, 21);
  auto spread = random_sources(*full, 21);
  for (auto& [name, tensor] : spread) {
    const Tensor& stored = sources.at(name);
    if (stored.values.size() == tensor.values.size()) {
      tensor = stored;
      continue;
    }
    const int64_t run = stored.rows() / sparse.weight_blocks;
    for (float& x : tensor.values) x = 0;
    for (int64_t r = 0; r < stored.rows(); ++r) {
      for (int64_t c = 0; c < stored.cols(); ++c) tensor.at(r, r / run * stored.cols() + c) = stored.at(r, c);
    }
  }
  auto got = interpret(*graph, sources);
  auto want = interpret(*full, spread);
  ASSERT_TRUE(got.ok() && want.ok());
  int64_t compared = 0;
  for (const auto& [name, value] : got->values) {
    const Tensor& other = want->values.at(name);
    const int64_t run = value.rows() / sparse.weight_blocks;
    const bool packed = other.cols() != value.cols();
    double worst = 0;
    for (int64_t r = 0; r < value.rows(); ++r) {
      for (int64_t c = 0; c < value.cols(); ++c) {
        const float full_value = other.at(r, packed ? r / run * value.cols() + c : c);
        worst = std::max(worst, static_cast<double>(std::abs(value.at(r, c) - full_value)));
      }
    }
    EXPECT_LT(worst, 2e-5) << name;
    compared += packed ? 1 : 0;
  }
  EXPECT_EQ(compared, 2 * (2 * 7 + 1));  // gradient and new weight of seven products a layer and the head
}

TEST_P(TrainingOnChip, OfBlockDiagonalWeightsEqualsTheInterpreter) {
  TrainingConfig config = small_config();
  config.head_dim = 4;
  config.vocabulary = 24;
  config.weight_blocks = 2;
  auto graph = models::training_step("sparse", config);
  ASSERT_TRUE(graph.ok()) << graph.error().to_string();
  const auto sources = random_sources(*graph, 12);
  auto expected = interpret(*graph, sources);
  ASSERT_TRUE(expected.ok()) << expected.error().to_string();
  compiler::CompileOptions options;
  options.fusion = GetParam();
  auto outputs = run_on_chip(node_of(1), options, *graph, sources);
  ASSERT_TRUE(outputs.ok()) << outputs.error().to_string();
  EXPECT_EQ(outputs->size(), 1U + (2 * 9 + 2) * 4);
  for (const auto& [name, got] : *outputs) {
    const Tensor& want =
        expected->states.contains(name) ? expected->states.at(name) : expected->values.at(name);
    ASSERT_EQ(got.values.size(), want.values.size()) << name;
    for (size_t i = 0; i < got.values.size(); ++i) ASSERT_NEAR(got.values[i], want.values[i], 1e-4) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Fusions, TrainingOnChip,
                         ::testing::Values(compiler::Fusion::kNone, compiler::Fusion::kLayer),
                         [](const auto& test) { return std::string(compiler::fusion_name(test.param)); });

}  // namespace
}  // namespace rdusim::cli
