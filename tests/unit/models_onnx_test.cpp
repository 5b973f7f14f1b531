// Importing ONNX graphs: views, what compositions become, values of the fixtures by the reference
// interpreter, and what is refused.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "models/onnx/fixture.h"
#include "models/onnx/model.h"
#include "models/onnx/view.h"

namespace rdusim::models {
namespace {

using compiler::OpKind;
using onnx::View;

const std::string kFixtures = std::string(RDUSIM_SOURCE_DIR) + "/tests/fixtures/onnx/";

TEST(OnnxView, ReshapeAndTransposeThereAndBack) {
  const View plain = View::plain({2, 5, 12});
  const auto heads = plain.reshaped({2, 5, 3, 4});
  ASSERT_TRUE(heads);
  const View turned = heads->transposed({0, 2, 1, 3});
  EXPECT_EQ(turned.dims(), (std::vector<int64_t>{2, 3, 5, 4}));
  EXPECT_FALSE(turned.is_plain());
  EXPECT_FALSE(turned.reshaped({2, 15, 4})->is_plain()) << "heads and tokens do not continue each other";
  EXPECT_FALSE(plain.reshaped({7, 5, 12}));
  const auto back = turned.transposed({0, 2, 1, 3}).reshaped({2, 5, 12});
  ASSERT_TRUE(back);
  EXPECT_TRUE(back->is_plain());
  EXPECT_TRUE(back->same_order(plain));
}

TEST(OnnxView, RowsInAnyOrderKeepItWhenColumnsChange) {
  const View turned = View::plain({2, 5, 12}).transposed({1, 0, 2});
  EXPECT_FALSE(turned.is_plain());
  EXPECT_TRUE(turned.is_of_rows(12));
  EXPECT_FALSE(turned.is_of_rows(6));
  EXPECT_FALSE(View::plain({2, 5, 12}).transposed({0, 2, 1}).is_of_rows(12)) << "columns before rows";
  EXPECT_FALSE(View::plain({2, 1, 12}).expanded({2, 4, 12})->is_of_rows(12)) << "rows repeat";
  const View wider = turned.with_columns(12, 36);
  EXPECT_EQ(wider.dims(), (std::vector<int64_t>{5, 2, 36}));
  EXPECT_TRUE(wider.transposed({1, 0, 2}).is_plain());
  EXPECT_EQ(wider.with_columns(36, 1).dims(), (std::vector<int64_t>{5, 2, 1}));
}

TEST(OnnxView, ExpandedAxesRepeat) {
  const auto wide = View::plain({2, 1, 3}).expanded({2, 4, 3});
  ASSERT_TRUE(wide);
  EXPECT_EQ(wide->dims(), (std::vector<int64_t>{2, 4, 3}));
  EXPECT_FALSE(wide->is_plain());
  EXPECT_FALSE(View::plain({2, 3}).expanded({4, 3}));
}

TEST(OnnxView, CutOfAPackedProjection) {
  const View packed = View::plain({5, 36}).reshaped({5, 3, 3, 4}).value();
  const auto cut = packed.cut(1, 2, 1, 36);
  ASSERT_TRUE(cut);
  EXPECT_EQ(cut->first, 24);
  EXPECT_EQ(cut->width, 12);
  EXPECT_EQ(cut->period, 36);
  EXPECT_TRUE(packed.after_cut(1, 1, *cut).is_plain());
}

// Query, key and value of each head in turn: the keys are columns 4 to 7 of every 12.
TEST(OnnxView, CutOfHeadsInTurn) {
  const View in_turn = View::plain({5, 36}).reshaped({5, 3, 3, 4}).value();
  const auto cut = in_turn.cut(2, 1, 1, 36);
  ASSERT_TRUE(cut);
  EXPECT_EQ(cut->first, 4);
  EXPECT_EQ(cut->width, 4);
  EXPECT_EQ(cut->period, 12);
  const View keys = in_turn.after_cut(2, 1, *cut);
  EXPECT_EQ(keys.dims(), (std::vector<int64_t>{5, 3, 1, 4}));
  EXPECT_TRUE(keys.is_plain());
  // The same parts in the last axis, and with the heads before the tokens.
  const View last = View::plain({5, 36}).reshaped({5, 3, 12}).value().transposed({1, 0, 2});
  const auto part = last.cut(2, 4, 4, 36);
  ASSERT_TRUE(part);
  EXPECT_EQ(part->first, 4);
  EXPECT_TRUE(last.after_cut(2, 4, *part).transposed({1, 0, 2}).is_plain());
  EXPECT_FALSE(last.cut(1, 0, 2, 36)) << "tokens";
}

// ------------------------------------------------------------------------------------------------ fixtures

class OnnxFixtures : public ::testing::TestWithParam<std::string> {};

TEST_P(OnnxFixtures, ReferenceValues) {
  const auto fixture = load_onnx_fixture(kFixtures + GetParam());
  ASSERT_TRUE(fixture.ok()) << fixture.error().to_string();
  for (const DType dtype : {DType::kFp32, DType::kBf16}) {
    FixtureOptions options;
    options.activations = dtype;
    const auto report = check_onnx_fixture(
        *fixture, options, [](const WeightSource& source) { return interpreter_executor(source); });
    ASSERT_TRUE(report.ok()) << report.error().to_string();
    EXPECT_TRUE(report->passed) << dtype_name(dtype) << ": " << report->failures.front();
    EXPECT_GT(report->compared_tensors, 0);
  }
}

INSTANTIATE_TEST_SUITE_P(All, OnnxFixtures,
                         ::testing::Values("classifier", "encoder", "decoder", "packed", "torch-gpt2",
                                           "torch-llama", "torch-encoder", "torch-bert", "torch-cached",
                                           "torch-masked", "choices", "turns", "heads"));

onnx::Import imported(const std::string& name, int64_t batch = 1, int64_t tokens = 4) {
  const auto file = OnnxFile::open(kFixtures + name + "/model.onnx");
  GraphRequest request;
  request.phase = Phase::kEncode;
  request.batch = batch;
  request.query_tokens = tokens;
  auto import = onnx::import_graph(*file, request, name);
  EXPECT_TRUE(import.ok()) << import.error().to_string();
  return import.ok() ? std::move(*import) : onnx::Import();
}

int64_t count(const compiler::Graph& graph, OpKind op) {
  return std::count_if(graph.nodes.begin(), graph.nodes.end(),
                       [op](const compiler::Node& node) { return node.op == op; });
}

// Compositions of dozens of nodes become the operators that they stand for, and nothing else is left of them.
TEST(OnnxImport, CompositionsBecomeOperators) {
  const compiler::Graph decoder = imported("decoder", 3, 6).graph;
  EXPECT_EQ(decoder.batch, 3);
  EXPECT_EQ(decoder.query_tokens, 6);
  EXPECT_EQ(count(decoder, OpKind::kRmsNorm), 5);
  EXPECT_EQ(count(decoder, OpKind::kRope), 4);
  EXPECT_EQ(count(decoder, OpKind::kAttention), 2);
  EXPECT_EQ(count(decoder, OpKind::kLinear), 15);
  EXPECT_EQ(count(decoder, OpKind::kLastToken), 1);
  EXPECT_EQ(decoder.nodes.size(), 1U + 5 + 4 + 2 + 15 + 1 + 4 /*sums*/ + 2 * 2 /*SiLU and its product*/);
  for (const compiler::Node& node : decoder.nodes) {
    if (node.op != OpKind::kAttention) continue;
    EXPECT_EQ(node.integer("causal"), 1);
    EXPECT_EQ(node.integer("kv_heads"), 2);
  }
  const compiler::Graph encoder = imported("encoder").graph;
  EXPECT_EQ(count(encoder, OpKind::kLayerNorm), 3);
  EXPECT_EQ(count(encoder, OpKind::kActivation), 3);
  EXPECT_EQ(count(encoder, OpKind::kPositionAdd), 1);
  EXPECT_EQ(count(encoder, OpKind::kAdd), 4);
}

// One product of 144 columns, of which parts are read, becomes three of 48; nothing is cut any more.
TEST(OnnxImport, PackedProjectionsBecomeOneProductAPart) {
  for (const char* name : {"torch-gpt2", "torch-encoder"}) {
    const onnx::Import import = imported(name, 2, 9);
    EXPECT_EQ(count(import.graph, OpKind::kSliceCols), 0) << name;
    EXPECT_EQ(count(import.graph, OpKind::kAttention), 2) << name;
    for (const compiler::Node& node : import.graph.nodes) {
      if (node.op != OpKind::kLinear) continue;
      EXPECT_NE(import.graph.value(node.outputs[0]).shape.cols(), 144) << name;
    }
  }
  const compiler::Graph gpt2 = imported("torch-gpt2", 2, 11).graph;
  EXPECT_EQ(count(gpt2, OpKind::kLinear), 2 * (3 + 1 + 2) + 1);
}

// Three products of 16 columns; no ranges of columns are left to join.
TEST(OnnxImport, HeadsInTurnBecomeOneProductAPart) {
  const compiler::Graph graph = imported("turns", 2, 5).graph;
  EXPECT_EQ(count(graph, OpKind::kSliceCols), 0);
  EXPECT_EQ(count(graph, OpKind::kConcatCols), 0);
  EXPECT_EQ(count(graph, OpKind::kLinear), 3 + 1);
  EXPECT_EQ(count(graph, OpKind::kAttention), 1);
}

TEST(OnnxImport, APartOfAPackedProjectionReadsItsPartOfTheWeights) {
  const auto file = OnnxFile::open(kFixtures + "torch-gpt2/model.onnx");
  GraphRequest request;
  request.phase = Phase::kEncode;
  request.batch = 2;
  request.query_tokens = 11;
  const auto imported_here = onnx::import_graph(*file, request, "torch-gpt2");
  ASSERT_TRUE(imported_here.ok()) << imported_here.error().to_string();
  const onnx::Import& import = *imported_here;
  int64_t rows = 0, biases = 0;
  for (const compiler::Value& value : import.graph.values) {
    if (value.source.find(" from ") == std::string::npos) continue;
    const auto part = import.read(*file, value.source);
    ASSERT_TRUE(part.ok()) << part.error().to_string();
    EXPECT_EQ(part->values.size(), static_cast<size_t>(value.shape.elements())) << value.source;
    (value.shape.rows() == 1 ? biases : rows) += value.shape.elements() / 48;
  }
  EXPECT_EQ(rows, 2 * 3 * 48) << "two layers of 144 rows";
  EXPECT_EQ(biases, 2 * 3);
}

TEST(OnnxImport, LayersShareAPlanByTheirNames) {
  const compiler::Graph graph = imported("decoder").graph;
  int64_t in_layers = 0;
  for (const compiler::Node& node : graph.nodes) in_layers += node.layer ? 1 : 0;
  EXPECT_GT(in_layers, 20);
}

// Past keys and values are caches, present ones what the caches hold afterwards: neither is an input nor an
// output of the graph.
TEST(OnnxImport, PastAndPresentAreCaches) {
  const auto file = OnnxFile::open(kFixtures + "torch-cached/model.onnx");
  ASSERT_TRUE(file.ok()) << file.error().to_string();
  GraphRequest request;
  request.phase = Phase::kDecode;
  request.batch = 3;
  request.past_tokens = 21;
  request.kv_capacity = 32;
  const auto import = onnx::import_graph(*file, request, "cached");
  ASSERT_TRUE(import.ok()) << import.error().to_string();
  EXPECT_EQ(import->graph.past_tokens, 21);
  ASSERT_EQ(import->inputs.size(), 1U);
  ASSERT_EQ(import->outputs.size(), 1U);
  ASSERT_EQ(import->caches.size(), 4U);
  EXPECT_EQ(import->caches[3].past, "past_key_values.1.value");
  EXPECT_EQ(import->caches[3].present, "present.1.value");
  EXPECT_EQ(import->caches[3].dims, (std::vector<int64_t>{3, 2, 21, 16}));
  int64_t attentions = 0;
  for (const compiler::Node& node : import->graph.nodes) {
    if (node.op != OpKind::kAttention) continue;
    ++attentions;
    ASSERT_EQ(node.inputs.size(), 5U);
    EXPECT_EQ(node.integer("past_tokens"), 21);
    EXPECT_EQ(node.integer("capacity"), 32);
    EXPECT_EQ(node.integer("causal"), 1);
    EXPECT_EQ(node.integer("kv_heads"), 2);
    EXPECT_EQ(import->graph.value(node.inputs[3]).shape, (Shape{{3 * 32, 32}}));
  }
  EXPECT_EQ(attentions, 2);
}

TEST(OnnxModel, WithCachesItPrefillsAndDecodes) {
  const auto model = load_model("/nowhere", kFixtures + "torch-cached/model.onnx");
  ASSERT_TRUE(model.ok()) << model.error().to_string();
  EXPECT_TRUE((*model)->supports(Phase::kPrefill));
  EXPECT_TRUE((*model)->supports(Phase::kDecode));
  EXPECT_FALSE((*model)->supports(Phase::kEncode));
  EXPECT_EQ((*model)->facts().kv_bytes_per_token,
            2 * 2 * 2 * 16 * 2);  // layers, K and V, heads, columns, BF16
}

// A choice between whole numbers is whole: half of 7 is 3 (fixture "choices": its values say the same).
TEST(OnnxImport, AChoiceOfWholeNumbersIsWhole) {
  for (const int64_t tokens : {3, 7}) {
    const compiler::Graph graph = imported("choices", 1, tokens).graph;
    EXPECT_EQ(count(graph, OpKind::kAdd), 1);
  }
}

// ------------------------------------------------------------------------------------------------ refusals

std::string field(uint64_t number, const std::string& bytes) {
  return std::string{static_cast<char>(number << 3 | 2), static_cast<char>(bytes.size())} + bytes;
}
std::string number(uint64_t number, int value) {
  return {static_cast<char>(number << 3), static_cast<char>(value)};
}
// x [2, 4] -> one node -> y.
std::string error_of(const std::string& op, const std::string& inputs_and_attributes) {
  const std::string shape = field(1, number(1, 2)) + field(1, number(1, 4));
  const std::string x = field(1, "x") + field(2, field(1, number(1, 1) + field(2, shape)));
  const std::string node = inputs_and_attributes + field(2, "y") + field(3, "the_node") + field(4, op);
  const std::string model = field(7, field(1, node) + field(11, x) + field(12, field(1, "y")));
  const auto file = OnnxFile::from_bytes({model.begin(), model.end()}, "m.onnx");
  if (!file.ok()) return file.error().to_string();
  const auto import = onnx::import_graph(*file, {}, "m");
  return import.ok() ? "none" : import.error().to_string();
}

TEST(OnnxImport, AnUnknownOperatorStopsWithItsNameNodeAndPlace) {
  const std::string error = error_of("Einsum", field(1, "x"));
  EXPECT_NE(error.find("m.onnx at byte 2, node the_node (Einsum)"), std::string::npos) << error;
  EXPECT_NE(error.find("not supported"), std::string::npos) << error;
  for (const char* const known : {"MatMul", "Gemm", "LayerNormalization", "Transpose"})
    EXPECT_NE(error.find(known), std::string::npos) << error;
}

TEST(OnnxImport, WhatIsOnlyKnownInsideACompositionSaysSo) {
  EXPECT_NE(error_of("Erf", field(1, "x")).find("outside the compositions"), std::string::npos);
}

TEST(OnnxImport, BrokenGraphsAreErrors) {
  EXPECT_EQ(error_of("Relu", field(1, "x")), "none");
  EXPECT_NE(error_of("Relu", field(1, "z")).find("z is made by no node"), std::string::npos);
  EXPECT_NE(error_of("Relu", "").find("operand 0 is missing"), std::string::npos);
  EXPECT_NE(error_of("MatMul", field(1, "x") + field(1, "x")).find("no attention"), std::string::npos);
  EXPECT_NE(
      error_of("Softmax", field(1, "x") + field(5, field(1, "axis") + number(3, 0))).find("another axis"),
      std::string::npos);
}

TEST(OnnxModel, IsAModelOfOnePhase) {
  EXPECT_EQ(onnx_path(kFixtures + "decoder"), kFixtures + "decoder/model.onnx");
  EXPECT_FALSE(onnx_path(kFixtures + "none"));
  const auto model = load_model("/nowhere", kFixtures + "encoder/model.onnx");
  ASSERT_TRUE(model.ok()) << model.error().to_string();
  EXPECT_EQ((*model)->family(), "onnx");
  EXPECT_TRUE((*model)->supports(Phase::kEncode));
  EXPECT_FALSE((*model)->supports(Phase::kDecode));
  EXPECT_GT((*model)->facts().total_parameters, 4000);
  GraphRequest decode;
  EXPECT_FALSE((*model)->build(decode).ok());
}

}  // namespace
}  // namespace rdusim::models
