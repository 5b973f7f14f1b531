#include "cli/crosscheck_suite.h"

#include <fmt/format.h>

#include <optional>

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

// Programs of one section, which no model has alone.
class HandMade {
 public:
  HandMade(const std::string& name, const std::string& phase, int64_t sockets) {
    p_.name = name;
    p_.phase = phase;
    p_.sockets = sockets;
    p_.sections.emplace_back().name = phase;
  }

  ArgumentId symbol(const std::string& name, int64_t rows, int64_t cols, Tier tier, Cause cause) {
    Symbol x;
    x.name = x.source = name;
    x.dtype = DType::kBf16;
    x.rows = x.full_rows = rows;
    x.cols = x.full_cols = cols;
    x.tier = tier;
    int64_t& end = p_.tiers[static_cast<size_t>(tier)].bytes;
    x.offset_bytes = end;
    end += x.bytes();
    p_.symbols.push_back(x);
    section().arguments.push_back({name, cause});
    return ArgumentId(p_.symbols.size() - 1);
  }

  ChannelId channel(const std::string& name, int64_t rows, int64_t cols) {
    Channel c;
    c.name = name;
    c.rows = rows;
    c.cols = cols;
    c.capacity_tokens = 8;
    c.pmus = 4;
    c.links = 2;
    c.latency_cycles = 20;
    section().channels.push_back(c);
    return ChannelId(section().channels.size() - 1);
  }

  Unit& unit(const std::string& name, UnitKind kind, std::optional<ChannelId> in,
             std::optional<ChannelId> out, int64_t firings) {
    Unit& u = section().units.emplace_back();
    u.name = name;
    u.kind = kind;
    u.stage = section().name;
    u.firings = firings;
    if (in) u.inputs.push_back({*in, {}});
    if (out) u.outputs.push_back({{*out}, {}, 0, Accumulate::kNone, 1, 0});
    return u;
  }

  static MemoryStream stream(ArgumentId argument, int64_t rows, int64_t cols, int64_t rows_per_token) {
    MemoryStream s;
    s.argument = argument;
    s.rows = rows;
    s.rows_per_token = rows_per_token;
    s.cols = cols;
    return s;
  }

  Program finish() && {
    Launch launch{SectionId(0), {}, 1};
    for (size_t s = 0; s < p_.symbols.size(); ++s) launch.bindings.emplace_back(s);
    p_.launches.push_back(launch);
    return std::move(p_);
  }

 private:
  Section& section() { return p_.sections[0]; }
  Program p_;
};

// A copy of 8 MiB from DDR to HBM.
Program copy() {
  constexpr int64_t kRows = 4096;
  constexpr int64_t kCols = 1024;
  constexpr int64_t kRowsPerToken = 16;
  HandMade m("copy DDR to HBM, 8 MiB", "copy", 1);
  const ArgumentId from = m.symbol("from", kRows, kCols, Tier::kDdr, Cause::kExpertSwitch);
  const ArgumentId to = m.symbol("to", kRows, kCols, Tier::kHbm, Cause::kExpertSwitch);
  const ChannelId c = m.channel("copy", kRowsPerToken, kCols);
  constexpr int64_t kTokens = kRows / kRowsPerToken;
  m.unit("load", UnitKind::kLoad, {}, c, kTokens).stream = m.stream(from, kRows, kCols, kRowsPerToken);
  m.unit("store", UnitKind::kStore, c, {}, kTokens).stream = m.stream(to, kRows, kCols, kRowsPerToken);
  return std::move(m).finish();
}

// The sum over eight sockets of 512 KiB on each, from HBM to HBM: columns scattered and summed, sums
// gathered, as the compiler lowers it.
Program all_reduce() {
  constexpr int64_t kSockets = 8;
  constexpr int64_t kRows = 256;
  constexpr int64_t kCols = 1024;
  constexpr int64_t kRowsPerToken = 16;
  constexpr int64_t kTokens = kRows / kRowsPerToken;
  constexpr int64_t kChunk = kCols / kSockets;
  HandMade m("all-reduce of 512 KiB, 8 sockets", "all-reduce", kSockets);
  const ArgumentId from = m.symbol("partial", kRows, kCols, Tier::kHbm, Cause::kActivations);
  const ArgumentId to = m.symbol("sum", kRows, kCols, Tier::kHbm, Cause::kActivations);
  const ChannelId partial = m.channel("partial", kRowsPerToken, kCols);
  const ChannelId own = m.channel("own", kRowsPerToken, kChunk);
  const ChannelId chunk = m.channel("chunk", kRowsPerToken, kChunk);
  const ChannelId own_sum = m.channel("own sum", kRowsPerToken, kChunk);
  const ChannelId sum = m.channel("sum", kRowsPerToken, kCols);
  m.unit("load", UnitKind::kLoad, {}, partial, kTokens).stream = m.stream(from, kRows, kCols, kRowsPerToken);
  const Exchange reduce{0, ExchangeMode::kScatterCols, Combine::kSum};
  const Exchange gather{1, ExchangeMode::kBroadcast, Combine::kConcatCols};
  m.unit("reduce.send", UnitKind::kSend, partial, own, kTokens).exchange = reduce;
  m.unit("reduce.receive", UnitKind::kReceive, own, chunk, kTokens).exchange = reduce;
  m.unit("gather.send", UnitKind::kSend, chunk, own_sum, kTokens).exchange = gather;
  m.unit("gather.receive", UnitKind::kReceive, own_sum, sum, kTokens).exchange = gather;
  m.unit("store", UnitKind::kStore, sum, {}, kTokens).stream = m.stream(to, kRows, kCols, kRowsPerToken);
  return std::move(m).finish();
}

struct Model {
  const char* name;
  const char* phase;
  int64_t context;
  int64_t batch = 1;
};

Result<SuiteProgram> model_program(Session& session, const ChosenNode& chosen, const Model& m) {
  RDU_ASSIGN(const auto model, load_chosen_model(session, m.name));
  RDU_ASSIGN(const auto request, graph_request({m.phase, m.batch, m.context}));
  RDU_ASSIGN(const auto graph, model->build(request));
  const auto options = compile_options({.fusion = "layer"}, chosen.node.sockets, chosen.stack);
  RDU_ASSIGN(Program program, compiler::compile(graph, chosen.node.chip, options));
  const std::string batch = m.batch == 1 ? "" : fmt::format("batch {} ", m.batch);
  return SuiteProgram{fmt::format("{} {} {}context {}", m.name, m.phase, batch, m.context),
                      std::move(program)};
}

}  // namespace

Result<std::vector<SuiteProgram>> whole_chip_suite(Session& session, const ChosenNode& chosen) {
  std::vector<SuiteProgram> suite;
  for (const Model& m : {Model{"llama-3.2-1b", "prefill", 128}, Model{"llama-2-7b", "decode", 512, 8}}) {
    RDU_ASSIGN(SuiteProgram program, model_program(session, chosen, m));
    program.name += ", " + chosen.node.name;
    suite.push_back(std::move(program));
  }
  return suite;
}

Result<std::vector<SuiteProgram>> crosscheck_suite(Session& session, const ChosenNode& chosen) {
  const auto options = compile_options({.fusion = "layer"}, chosen.node.sockets, chosen.stack);
  std::vector<SuiteProgram> suite;
  const Result<Graph> graphs[] = {gemm(1, 4096, 4096), gemm(128, 2048, 2048), gemm(512, 512, 512),
                                  norm(512, 2048), attention_head(2048, 128)};
  for (const Result<Graph>& made : graphs) {
    if (!made.ok()) return made.error();
    const Graph& graph = *made;
    RDU_ASSIGN(Program program, compiler::compile(graph, chosen.node.chip, options));
    suite.push_back({graph.name, std::move(program)});
  }
  for (Program p : {copy(), all_reduce()}) {
    RDU_CHECK_OK(verify_program(p, chosen.node.chip.pcu.count, chosen.node.chip.pmu.count));
    std::string name = p.name;
    suite.push_back({std::move(name), std::move(p)});
  }
  for (const Model& m : {Model{"mamba-130m", "decode", 128}, Model{"mamba-130m", "prefill", 128},
                         Model{"llama-3.2-1b", "decode", 128}, Model{"llama-3.2-1b", "prefill", 128}}) {
    RDU_ASSIGN(SuiteProgram program, model_program(session, chosen, m));
    suite.push_back(std::move(program));
  }
  return suite;
}

}  // namespace rdusim::cli
