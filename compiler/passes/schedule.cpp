// schedule: one launch a group, in order, with the symbols bound to the section's arguments, and the lifetime
// of each symbol in launches. What must outlive a run (weights, KV cache, constants, inputs, outputs) lives
// from the first launch to the last.
#include <map>

#include <fmt/format.h>

#include "compiler/passes/lowering.h"
#include "compiler/passes/pass.h"

namespace rdusim::compiler {
namespace {

Symbol symbol_of(const Value& value) {
  Symbol symbol;
  symbol.name = value.name;
  symbol.role = value.role;
  symbol.source = value.source.empty() ? value.name : value.source;
  symbol.dtype = value.dtype;
  symbol.rows = value.shape.rows();
  symbol.cols = value.shape.cols();
  symbol.shard = value.shard;
  symbol.full_rows = value.full_shape.rows();
  symbol.full_cols = value.full_shape.cols();
  return symbol;
}

}  // namespace

std::string mixture_suffix(const Program& program, const CompileOptions& options) {
  const auto experts = std::find_if(program.symbols.begin(), program.symbols.end(),
                                    [](const Symbol& s) { return s.shard.kind == ShardKind::kExpertRows; });
  std::string suffix;
  if (experts != program.symbols.end()) suffix = fmt::format(".ep{}", experts->shard.shards);
  return options.moe_load == MoeLoad::kUniform ? suffix + ".uniform" : suffix;
}

Status schedule(Compilation& compilation) {
  Program& program = compilation.program;
  const Graph& graph = compilation.graph;
  const CompileOptions& options = compilation.options;
  std::map<ValueId, SymbolId> symbols;
  for (const Group& group : compilation.groups) {
    const int64_t now = static_cast<int64_t>(program.launches.size());
    Launch launch{SectionId(group.section), {}};
    for (const ValueId id : group.externals) {
      const auto [it, fresh] = symbols.try_emplace(id, SymbolId(program.symbols.size()));
      if (fresh) {
        program.symbols.push_back(symbol_of(graph.value(id)));
        program.symbols.back().first_step = now;
      }
      program.symbols[it->second.value].last_step = now;
      launch.bindings.push_back(it->second);
    }
    program.launches.push_back(std::move(launch));
  }
  const int64_t last = static_cast<int64_t>(program.launches.size()) - 1;
  for (Symbol& symbol : program.symbols) {
    if (symbol.role == SymbolRole::kActivation) continue;
    symbol.first_step = 0;
    symbol.last_step = last;
  }
  program.phase = graph.phase;
  program.sockets = options.sockets;
  program.batch = graph.batch;
  program.context = graph.phase == "decode" ? graph.past_tokens : graph.query_tokens;
  program.tokens_per_run = graph.batch * graph.query_tokens;
  program.flops = compilation.flops;
  program.orchestration = options.orchestration;
  program.name =
      fmt::format("{}.tp{}{}.{}{}", graph.name, options.sockets, mixture_suffix(program, options),
                  fusion_name(compilation.fusion), options.sizing == Sizing::kLaunch ? ".launch" : "");
  return {};
}

}  // namespace rdusim::compiler
