#include "cli/crosscheck_suite.h"

#include <fmt/format.h>

#include "compiler/graph/graph.h"

namespace rdusim::cli {
namespace {

using compiler::Graph;
using compiler::GraphBuilder;
using compiler::OpKind;

GraphBuilder builder(const std::string& name) {
  Graph graph;
  graph.name = name;
  graph.phase = "prefill";
  graph.batch = 1;
  graph.query_tokens = 1;
  GraphBuilder b(std::move(graph));
  b.set_activation_dtype(DType::kBf16);
  return b;
}

ValueId source(GraphBuilder& b, const std::string& name, int64_t rows, int64_t cols, SymbolRole role) {
  return b.add_source(name, {{rows, cols}}, DType::kBf16, role, name);
}

Result<Graph> gemm(int64_t m, int64_t n, int64_t k) {
  GraphBuilder b = builder(fmt::format("gemm {}x{}x{}", m, n, k));
  const ValueId x = source(b, "x", m, k, SymbolRole::kInput);
  RDU_ASSIGN(const ValueId y,
             b.add(OpKind::kLinear, "gemm", {x, source(b, "w", n, k, SymbolRole::kWeight)}, {}));
  b.set_role(y, SymbolRole::kOutput);
  return std::move(b).take();
}

Result<Graph> norm(int64_t rows, int64_t cols) {
  GraphBuilder b = builder(fmt::format("norm {}x{}", rows, cols));
  const ValueId x = source(b, "x", rows, cols, SymbolRole::kInput);
  RDU_ASSIGN(const ValueId y, b.add(OpKind::kRmsNorm, "norm",
                                    {x, source(b, "g", 1, cols, SymbolRole::kWeight)}, {{"eps", 1e-5}}));
  b.set_role(y, SymbolRole::kOutput);
  return std::move(b).take();
}

// One head of a decode step over `past` cached tokens.
Result<Graph> attention_head(int64_t past, int64_t head_dim) {
  GraphBuilder b = builder(fmt::format("attention head, {} cached", past));
  const ValueId q = source(b, "q", 1, head_dim, SymbolRole::kInput);
  const ValueId k = source(b, "k", 1, head_dim, SymbolRole::kInput);
  const ValueId v = source(b, "v", 1, head_dim, SymbolRole::kInput);
  const ValueId kc = source(b, "k_cache.0", past + 1, head_dim, SymbolRole::kKvCache);
  const ValueId vc = source(b, "v_cache.0", past + 1, head_dim, SymbolRole::kKvCache);
  RDU_ASSIGN(const ValueId y, b.add(OpKind::kAttention, "attention", {q, k, v, kc, vc},
                                    {{"capacity", past + 1},
                                     {"causal", int64_t{1}},
                                     {"head_dim", head_dim},
                                     {"heads", int64_t{1}},
                                     {"kv_heads", int64_t{1}},
                                     {"past_tokens", past},
                                     {"query_tokens", int64_t{1}},
                                     {"scale", 0.125},
                                     {"window", int64_t{0}}}));
  b.set_role(y, SymbolRole::kOutput);
  return std::move(b).take();
}

// A copy of 8 MiB from DDR to HBM, as a section of its own.
Program copy() {
  Program p;
  p.name = "copy DDR to HBM, 8 MiB";
  p.phase = "copy";
  Section& s = p.sections.emplace_back();
  s.name = "copy";
  constexpr int64_t kRows = 4096;
  constexpr int64_t kCols = 1024;
  for (const Tier tier : {Tier::kDdr, Tier::kHbm}) {
    Symbol x;
    x.name = x.source = tier == Tier::kDdr ? "from" : "to";
    x.dtype = DType::kBf16;
    x.rows = x.full_rows = kRows;
    x.cols = x.full_cols = kCols;
    x.tier = tier;
    p.tiers[static_cast<size_t>(tier)].bytes = x.bytes();
    p.symbols.push_back(x);
    s.arguments.push_back({x.name, Cause::kExpertSwitch});
  }
  Channel& c = s.channels.emplace_back();
  c.name = "copy";
  c.rows = 16;
  c.cols = kCols;
  c.capacity_tokens = 8;
  c.pmus = 4;
  c.links = 2;
  c.latency_cycles = 20;
  for (const UnitKind kind : {UnitKind::kLoad, UnitKind::kStore}) {
    Unit& u = s.units.emplace_back();
    u.name = kind == UnitKind::kLoad ? "load" : "store";
    u.kind = kind;
    u.stage = "copy";
    MemoryStream stream;
    stream.argument = ArgumentId(kind == UnitKind::kLoad ? 0 : 1);
    stream.rows = kRows;
    stream.rows_per_token = 16;
    stream.cols = kCols;
    u.stream = stream;
    u.firings = stream.tokens();
    if (kind == UnitKind::kLoad) {
      u.outputs.push_back({{ChannelId(0)}, {}, 0, Accumulate::kNone, 1, 0});
    } else {
      u.inputs.push_back({ChannelId(0), {}});
    }
  }
  p.launches.push_back({SectionId(0), {SymbolId(0), SymbolId(1)}, 1});
  return p;
}

}  // namespace

Result<std::vector<SuiteProgram>> crosscheck_suite(Session& session, const ChosenNode& chosen) {
  const auto options = compile_options({"layer", "hardware"}, chosen.node.sockets, chosen.stack);
  std::vector<SuiteProgram> suite;
  const Result<Graph> graphs[] = {gemm(1, 4096, 4096), gemm(128, 2048, 2048), gemm(512, 512, 512),
                                  norm(512, 2048), attention_head(2048, 128)};
  for (const Result<Graph>& made : graphs) {
    if (!made.ok()) return made.error();
    const Graph& graph = *made;
    RDU_ASSIGN(Program program, compiler::compile(graph, chosen.node.chip, options));
    suite.push_back({graph.name, std::move(program)});
  }
  suite.push_back({"copy DDR to HBM, 8 MiB", copy()});
  struct Model {
    const char* name;
    const char* phase;
    int64_t context;
  };
  for (const Model& m : {Model{"mamba-130m", "decode", 128}, Model{"mamba-130m", "prefill", 128},
                         Model{"llama-3.2-1b", "decode", 128}, Model{"llama-3.2-1b", "prefill", 128}}) {
    RDU_ASSIGN(const auto model, load_chosen_model(session, m.name));
    RDU_ASSIGN(const auto request, graph_request({m.phase, 1, m.context}));
    RDU_ASSIGN(const auto graph, model->build(request));
    RDU_ASSIGN(Program program, compiler::compile(graph, chosen.node.chip, options));
    suite.push_back({fmt::format("{} {} context {}", m.name, m.phase, m.context), std::move(program)});
  }
  return suite;
}

}  // namespace rdusim::cli
