// Do the builder, the verifier, the text form and the interpreter keep their contracts, and say where
// something is wrong?
#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "base/check.h"
#include "compiler/graph/graph_text.h"
#include "compiler/graph/interpreter.h"
#include "compiler/graph/verify.h"

namespace rdusim::compiler {
namespace {

constexpr const char* kText =
    R"(graph "tiny.decode" phase "decode" batch 1 query_tokens 1 past_tokens 0 sockets 1
%0 = input "token_ids" int32 [1,1] from "token_ids"
%1 = weight "embedding" bf16 [9,4] from "model.embed_tokens.weight"
%2 = activation "layer_hidden.0" bf16 [1,4]
embedding "layer_hidden.0" (%0, %1) -> (%2)
%3 = weight "norm.gain" bf16 [1,4] from "model.norm.weight"
%4 = output "last_hidden" bf16 [1,4]
rms_norm "last_hidden" (%2, %3) -> (%4) layer 3 {eps = 1e-05}
)";

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

std::string error_of(const std::string& text) {
  const Result<Graph> graph = parse_graph(text, "g.txt");
  return graph.ok() ? "no error" : graph.error().to_string();
}

#define EXPECT_HAS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

TEST(GraphText, PrintsWhatItReads) {
  const Result<Graph> graph = parse_graph(kText, "g.txt");
  ASSERT_TRUE(graph.ok()) << graph.error().to_string();
  EXPECT_EQ(graph->nodes.size(), 2U);
  EXPECT_EQ(graph->nodes[1].layer, 3);
  EXPECT_EQ(graph->nodes[1].real("eps"), 1e-5);
  EXPECT_EQ(graph->values[4].role, SymbolRole::kOutput);
  EXPECT_EQ(print_graph(*graph), kText);
}

TEST(GraphText, KeepsOddNamesShardsAndReals) {
  Graph graph = *parse_graph(kText, "g.txt");
  graph.name = "a \"quoted\"\\\n\tname\x01 # not a comment";
  graph.sockets = 4;
  graph.values[1].shard = Shard{ShardKind::kCols, 4, 2};
  graph.values[1].full_shape = Shape{{9, 16}};
  graph.values[3].shape = Shape{{4}};
  graph.values[3].full_shape = Shape{};
  for (const double eps : {0.1, 1.0, 1e300, 5e-324, 0.0}) {
    graph.nodes[1].attributes[0].value = eps;
    const Result<Graph> parsed = parse_graph(print_graph(graph), "g.txt");
    ASSERT_TRUE(parsed.ok()) << parsed.error().to_string();
    EXPECT_EQ(*parsed, graph) << print_graph(graph);
  }
}

TEST(GraphText, CommentsAreSkipped) {
  EXPECT_TRUE(parse_graph(replaced(kText, "%1 =", "# the table\n%1 ="), "g.txt").ok());
}

TEST(GraphText, ErrorsSayWhere) {
  EXPECT_HAS(error_of("graf"), "g.txt:1:1: error: expected 'graph', found 'graf'");
  EXPECT_HAS(error_of("graph \"x"), "g.txt:1:7: error: the string has no closing quote");
  EXPECT_HAS(error_of("graph \"x\" phase"), "found the end of the text");
  EXPECT_HAS(error_of(replaced(kText, "batch 1", "batch one")),
             "g.txt:1:42: error: expected an integer, found 'one'");
  EXPECT_HAS(error_of(replaced(kText, "int32", "int31")), "g.txt:2:24: error: 'int31' is not a data type");
  EXPECT_HAS(error_of(replaced(kText, "= input", "= inlet")), "g.txt:2:6: error: 'inlet' is not a role");
  EXPECT_HAS(error_of(replaced(kText, "%1 = weight", "%7 = weight")),
             "g.txt:3:1: error: value %7 stands where %1 is due");
  EXPECT_HAS(error_of(replaced(kText, "rms_norm", "rms_nrom")),
             "g.txt:8:1: error: 'rms_nrom' is not an operator");
  EXPECT_HAS(error_of(replaced(kText, "(%2, %3)", "(%2, %9)")),
             "g.txt:8:29: error: value %9 is not declared");
  EXPECT_HAS(error_of(replaced(kText, "-> (%4)", "-> (%2)")), "already has a producer");
  EXPECT_HAS(error_of(replaced(kText, "1e-05", "1e-05x")), "expected a number");
  EXPECT_HAS(error_of(replaced(kText, "\"token_ids\" int", "\"token\\q\" int")), "unknown escape");
}

TEST(GraphVerify, BrokenRulesAreNamed) {
  const Graph good = *parse_graph(kText, "g.txt");
  ASSERT_TRUE(verify_graph(good).ok());
  const auto error = [](Graph graph) {
    const Status status = verify_graph(graph);
    return status.ok() ? std::string("no error") : status.error().to_string();
  };
  Graph graph = good;
  graph.values[2].name = "embedding";
  EXPECT_HAS(error(graph), "another value has this name");
  graph = good;
  std::swap(graph.nodes[0], graph.nodes[1]);
  EXPECT_HAS(error(graph), "not computed before its use");
  graph = good;
  graph.values[4].shape = Shape{{2, 4}};
  EXPECT_HAS(error(graph), "has shape [2,4] but the operator gives [1,4]");
  graph = good;
  graph.nodes[1].inputs[0] = ValueId(17);
  EXPECT_HAS(error(graph), "operand %17 does not exist");
  graph = good;
  graph.nodes[1].attributes.clear();
  EXPECT_HAS(error(graph), "the operator takes [eps]");
  graph = good;
  graph.values[1].shape = Shape{{9, 0}};
  EXPECT_HAS(error(graph), "extent 0 is below 1");
  graph = good;
  graph.nodes.pop_back();
  EXPECT_HAS(error(graph), "its producer is node 1 of 1");
  graph = good;
  graph.batch = 0;
  EXPECT_HAS(error(graph), "batch 0");
}

TEST(GraphBuilder, ResultTypeIsTheFirstOperandsUnlessSet) {
  GraphBuilder builder(Graph{});
  const ValueId ids = builder.add_source("ids", Shape{{1, 1}}, DType::kInt32, SymbolRole::kInput, "ids");
  const ValueId table = builder.add_source("table", Shape{{2, 3}}, DType::kBf16, SymbolRole::kWeight, "t");
  const ValueId plain = *builder.add(OpKind::kEmbedding, "plain", {ids, table});
  EXPECT_EQ(builder.graph().value(plain).dtype, DType::kBf16);
  builder.set_activation_dtype(DType::kFp32);
  const ValueId wide = *builder.add(OpKind::kEmbedding, "wide", {ids, table});
  EXPECT_EQ(builder.graph().value(wide).dtype, DType::kFp32);
  builder.set_layer(2);
  const ValueId sum = *builder.add(OpKind::kAdd, "sum", {wide, wide});
  EXPECT_EQ(builder.graph().node(*builder.graph().value(sum).producer).layer, 2);
}

TEST(GraphNode, MissingAttributeIsABug) {
  const Graph graph = *parse_graph(kText, "g.txt");
  EXPECT_TRUE(graph.nodes[1].has("eps"));
  EXPECT_FALSE(graph.nodes[1].has("scale"));
  EXPECT_THROW((void)graph.nodes[1].real("scale"), CheckFailure);
  EXPECT_THROW((void)graph.nodes[1].integer("eps"), CheckFailure);
}

TEST(Interpreter, RoundsOnlyWhenAsked) {
  const Graph graph = *parse_graph(kText, "g.txt");
  for (const bool round : {false, true}) {
    Interpreter interpreter(graph, round);
    Tensor table(9, 4);
    for (size_t i = 0; i < table.values.size(); ++i) table.values[i] = 1.0F + static_cast<float>(i % 7);
    Tensor gain(1, 4);
    gain.values = {1, 1, 1, 1};
    ASSERT_TRUE(interpreter.set(ValueId(0), Tensor(1, 1)).ok());
    ASSERT_TRUE(interpreter.set(ValueId(1), table).ok());
    ASSERT_TRUE(interpreter.set(ValueId(3), gain).ok());
    ASSERT_TRUE(interpreter.run().ok());
    const float x = interpreter.get(ValueId(4)).at(0, 0);
    EXPECT_EQ(x == round_to_bf16(x), round);
  }
}

TEST(Interpreter, WrongInputsAreErrors) {
  const Graph graph = *parse_graph(kText, "g.txt");
  Interpreter interpreter(graph, true);
  EXPECT_HAS(interpreter.set(ValueId(1), Tensor(9, 5)).error().to_string(),
             "tensor model.embed_tokens.weight: error: has shape [9,5]");
  Tensor ids(1, 1);
  ids.values[0] = 9;
  EXPECT_HAS(interpreter.set(ValueId(0), ids).error().to_string(),
             "token_ids, row 0: error: 9 is not a row of embedding");
  ids.values[0] = 0.5F;
  EXPECT_FALSE(interpreter.set(ValueId(0), ids).ok());
  ids.values[0] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_FALSE(interpreter.set(ValueId(0), ids).ok());
  EXPECT_HAS(interpreter.run().error().to_string(), "has no tensor");
}

}  // namespace
}  // namespace rdusim::compiler
