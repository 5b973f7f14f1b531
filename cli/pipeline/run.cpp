#include "cli/pipeline/run.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string_view>

#include "base/check.h"
#include "compiler/graph/graph_text.h"
#include "sim/simulator.h"

namespace rdusim::cli {
namespace {

bool is_carried(const Symbol& symbol) {
  return symbol.role == SymbolRole::kKvCache || symbol.role == SymbolRole::kState;
}

// Text of what a graph computes, without names: graphs of equal text take equal times.
std::string structure_of(compiler::Graph graph) {
  graph.name = "graph";
  int64_t first_layer = -1;
  for (size_t v = 0; v < graph.values.size(); ++v) {
    graph.values[v].name = fmt::format("v{}", v);
    graph.values[v].source.clear();
  }
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    compiler::Node& node = graph.nodes[n];
    node.name = fmt::format("n{}", n);
    if (node.layer && first_layer < 0) first_layer = *node.layer;
    if (node.layer) node.layer = *node.layer - first_layer;
  }
  return print_graph(graph);
}

int64_t border_bytes(const compiler::StagedGraph& graph, size_t stage) {
  int64_t bytes = 0;
  if (stage > 0) bytes += graph.borders[stage - 1].bytes;
  if (stage < graph.borders.size()) bytes += graph.borders[stage].bytes;
  return bytes;
}

// The link between a socket and its counterpart of the next stage.
Result<sim::agcu::PeerLinkSpec> peer_link(const NodeSpec& node) {
  sim::agcu::PeerLinkSpec link;
  link.bandwidth_bytes_per_s = node.link.bandwidth_bytes_per_s;
  link.latency_ns = node.link.latency_ns;
  RDU_CHECK_OK(validate(link));
  return link;
}

class PipelineBuilder {
 public:
  PipelineBuilder(const models::Model& model, const ChosenNode& chosen, const PipelineRequest& request)
      : model_(model), chosen_(chosen), request_(request), node_(chosen.node) {}

  Result<PipelineRun> compile() {
    run_.request = request_;
    run_.sockets = chosen_.node.sockets;
    run_.clock_hz = node_.chip.clock_hz;
    RDU_ASSIGN(run_.stage_sockets, sockets_of_stage(chosen_.node.sockets, request_.choice.stages));
    node_.sockets = run_.stage_sockets;
    options_ = compile_options(request_.compile, run_.stage_sockets, chosen_.stack);
    RDU_ASSIGN(cut_, cut_pass(model_, request_.pass, request_.choice, chosen_.node, options_));
    run_.batches = cut_.batches;
    for (size_t s = 0; s < static_cast<size_t>(request_.choice.stages); ++s) RDU_CHECK_OK(add_stage(s));
    for (size_t b = 0; b + 1 < run_.stages.size(); ++b) RDU_CHECK_OK(add_border(b));
    run_.name = fmt::format("{}.pp{}.tp{}{}.m{}.{}", cut_.name, request_.choice.stages, run_.stage_sockets,
                            compiler::mixture_suffix(run_.programs.front().program, options_),
                            request_.choice.micro_batches, fusion_of_stages());
    return std::move(run_);
  }

 private:
  // As the programs' names end: "auto" where some stage's layers were cut.
  [[nodiscard]] std::string_view fusion_of_stages() const {
    if (options_.fusion != compiler::Fusion::kAuto) return compiler::fusion_name(options_.fusion);
    const bool cut = std::any_of(run_.programs.begin(), run_.programs.end(), [](const auto& stage) {
      return stage.program.name.ends_with(compiler::fusion_name(compiler::Fusion::kAuto));
    });
    return compiler::fusion_name(cut ? compiler::Fusion::kAuto : compiler::Fusion::kLayer);
  }

  Status add_stage(size_t s) {
    const compiler::Stage& any = cut_.graphs.front().stages[s];
    PipelineStage& stage = run_.stages.emplace_back();
    stage.first_layer = any.first_layer;
    stage.last_layer = any.last_layer;
    for (const compiler::StagedGraph& graph : cut_.graphs) {
      auto program = compile_stage(graph, s, stage.memory);
      if (!program.ok()) {
        Error error = program.take_error();
        error.where = fmt::format("{}: {}", stage_name(run_, s), error.where);
        return error;
      }
      stage.programs.push_back(*program);
    }
    return {};
  }

  // Compiled for a chip whose HBM lacks what the other micro-batches hold, if that would not fit beside it.
  Result<size_t> compile_stage(const compiler::StagedGraph& graph, size_t s, StageMemory& memory) {
    const compiler::Graph& part = graph.stages[s].graph;
    const std::string key = fmt::format("{}borders {}", structure_of(part), border_bytes(graph, s));
    const auto [known, fresh] = by_structure_.try_emplace(key, run_.programs.size());
    if (fresh) {
      RDU_ASSIGN(Program program, compiler::compile(part, node_.chip, options_));
      const int64_t hbm = program.tiers[static_cast<size_t>(Tier::kHbm)].bytes;
      const int64_t others = held_beside(program, graph, s);
      if (hbm + others > node_.chip.hbm.capacity_bytes) {
        RDU_ASSIGN(program, compile_beside(part, others));
      }
      run_.programs.push_back({std::move(program), {}});
    }
    account(run_.programs[known->second].program, graph, s, memory);
    return known->second;
  }

  Result<Program> compile_beside(const compiler::Graph& part, int64_t others) {
    ChipSpec chip = node_.chip;
    chip.hbm.capacity_bytes -= others;
    if (chip.hbm.capacity_bytes > 0) return compiler::compile(part, chip, options_);
    return Error{ErrorCode::kCapacity, part.name,
                 fmt::format("the caches of the other micro-batches and the borders' buffers need {} B of "
                             "HBM a socket; the chip has {}",
                             others, node_.chip.hbm.capacity_bytes),
                 "use a smaller batch, a shorter context or fewer stages"};
  }

  [[nodiscard]] int64_t batches_in_flight() const {
    return static_cast<int64_t>(run_.batches.request_of.size());
  }
  [[nodiscard]] int64_t cache_copies() const { return run_.batches.of_tokens ? 1 : batches_in_flight(); }
  [[nodiscard]] int64_t buffers(const compiler::StagedGraph& graph, size_t s) const {
    return std::min(run_.shop.slots, batches_in_flight()) * border_bytes(graph, s);
  }

  static int64_t carried_bytes(const Program& program) {
    int64_t bytes = 0;
    for (const Symbol& symbol : program.symbols) bytes += is_carried(symbol) ? symbol.bytes() : 0;
    return bytes;
  }

  // HBM of a socket beyond the program's own: caches of other micro-batches, further buffers at its borders,
  // and those of values that only pass through.
  [[nodiscard]] int64_t held_beside(const Program& program, const compiler::StagedGraph& graph,
                                    size_t s) const {
    int64_t own = 0;
    for (const Symbol& symbol : program.symbols) {
      const bool border = (s > 0 && symbol.role == SymbolRole::kInput) ||
                          (s < graph.borders.size() && symbol.role == SymbolRole::kOutput);
      if (border) own += symbol.bytes();
    }
    return (cache_copies() - 1) * carried_bytes(program) + std::max<int64_t>(0, buffers(graph, s) - own);
  }

  void account(const Program& program, const compiler::StagedGraph& graph, size_t s,
               StageMemory& memory) const {
    int64_t weights = 0;
    for (const Symbol& symbol : program.symbols) {
      const bool fixed = symbol.role == SymbolRole::kWeight || symbol.role == SymbolRole::kConstant;
      weights += fixed ? symbol.bytes() : 0;
    }
    const auto most = [](int64_t& held, int64_t now) { held = std::max(held, now); };
    most(memory.weight_bytes, weights);
    most(memory.cache_bytes, cache_copies() * carried_bytes(program));
    most(memory.border_bytes, buffers(graph, s));
    most(memory.hbm_bytes,
         program.tiers[static_cast<size_t>(Tier::kHbm)].bytes + held_beside(program, graph, s));
    most(memory.ddr_bytes, program.tiers[static_cast<size_t>(Tier::kDdr)].bytes);
  }

  Status add_border(size_t b) {
    RDU_ASSIGN(const sim::agcu::PeerLinkSpec link, peer_link(node_));
    BorderTraffic& border = run_.borders.emplace_back();
    for (size_t d = 0; d < cut_.graphs.size(); ++d) {
      const int64_t bytes = cut_.graphs[d].borders[b].bytes;
      border.bytes.push_back(bytes);
      border.transfers.push_back(transfer(link, bytes));
    }
    border.values = cut_.graphs.front().borders[b].values;
    return {};
  }

  const models::Model& model_;
  const ChosenNode& chosen_;
  const PipelineRequest& request_;
  NodeSpec node_;  // of one stage
  compiler::CompileOptions options_;
  CutPass cut_;
  std::map<std::string, size_t> by_structure_;
  PipelineRun run_;
};

int64_t cycles_of(int64_t ps, double clock_hz) {
  return static_cast<int64_t>(std::ceil(static_cast<double>(ps) * 1e-12 * clock_hz));
}

// A group's chosen tokens, 32-bit ids, from the last stage to the first.
Result<int64_t> return_cycles(const PipelineRun& run, const ChosenNode& chosen) {
  if (run.stages.size() == 1) return int64_t{0};
  RDU_ASSIGN(const sim::agcu::PeerLinkSpec link, peer_link(chosen.node));
  const int64_t ids = run.batches.requests.front().batch;
  return cycles_of(transfer(link, ids * dtype_bytes(DType::kInt32)).finish_ps, run.clock_hz);
}

}  // namespace

int64_t PipelineRun::tokens() const {
  int64_t tokens = 0;
  for (size_t m = 0; m < batches.request_of.size(); ++m) tokens += program_of(0, m).program.tokens_per_run;
  return tokens;
}

int64_t PipelineRun::flops() const {
  int64_t flops = 0;
  for (size_t m = 0; m < batches.request_of.size(); ++m) {
    for (size_t s = 0; s < stages.size(); ++s) flops += program_of(s, m).program.flops;
  }
  return flops;
}

std::string stage_name(const PipelineRun& run, size_t stage) {
  return stage_name(stage, run.stages[stage].first_layer, run.stages[stage].last_layer);
}

std::string machine_name(const PipelineRun& run, std::optional<size_t> machine) {
  if (!machine) return "return to stage 0";
  if (*machine % 2 == 0) return stage_name(run, *machine / 2);
  return fmt::format("border {} to {}", *machine / 2, *machine / 2 + 1);
}

Result<PipelineRun> compile_pipeline(const models::Model& model, const ChosenNode& chosen,
                                     const PipelineRequest& request) {
  return PipelineBuilder(model, chosen, request).compile();
}

Result<PipelineRun> run_pipeline(const models::Model& model, const ChosenNode& chosen,
                                 const PipelineRequest& request, const sim::RunOptions& options) {
  RDU_ASSIGN(PipelineRun run, compile_pipeline(model, chosen, request));
  NodeSpec node = chosen.node;
  node.sockets = run.stage_sockets;
  for (StageProgram& stage : run.programs) {
    RDU_ASSIGN(stage.result, sim::run(stage.program, node, chosen.stack, options));
  }
  for (size_t m = 0; m < run.batches.request_of.size(); ++m) {
    std::vector<int64_t>& cycles = run.shop.cycles.emplace_back();
    for (size_t s = 0; s < run.stages.size(); ++s) {
      cycles.push_back(run.program_of(s, m).result.cycles);
      if (s == run.borders.size()) continue;
      const auto& transfer = run.borders[s].transfers[run.batches.request_of[m]];
      cycles.push_back(cycles_of(transfer.finish_ps, run.clock_hz));
    }
  }
  if (request.pass.phase == models::Phase::kDecode) {
    RDU_ASSIGN(run.shop.return_cycles, return_cycles(run, chosen));
  }
  run.flow = sim::run_flow_shop(run.shop);
  return run;
}

}  // namespace rdusim::cli
