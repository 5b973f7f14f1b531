#include "compiler/compile.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>

#include "compiler/graph/verify.h"
#include "compiler/ops/op.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/stage_memo.h"

namespace rdusim::compiler {
namespace {

struct PassRecord {
  std::string_view name;
  std::string_view needs;  // the pass whose result it reads; empty: works on any graph
  Status (*run)(Compilation&);
};

constexpr PassRecord kPasses[] = {
#define RDU_PASS(function, name, needs, doc) {name, needs, &function},
#include "compiler/passes/passes.def"
#undef RDU_PASS
};
// What a Program cannot do without.
constexpr std::string_view kProgramNeeds = "plan_memory";

int64_t graph_flops(const Graph& graph) {
  int64_t flops = 0;
  for (const Node& node : graph.nodes) flops += op_record(node.op).cost(graph, node).flops;
  return flops;
}

bool skipped(const CompileOptions& options, std::string_view pass) {
  return std::find(options.skip.begin(), options.skip.end(), pass) != options.skip.end();
}

// Every pass to skip exists, and nothing that stays needs it.
Status check_skips(const CompileOptions& options) {
  const std::vector<std::string_view> known = pass_names();
  for (const std::string& name : options.skip) {
    const std::string where = "--skip " + name;
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      return Error{ErrorCode::kNotFound, where, fmt::format("the passes are {}", fmt::join(known, ", ")), ""};
    }
    if (name == kProgramNeeds) return Error{ErrorCode::kInvalidInput, where, "a program needs this pass", ""};
    for (const PassRecord& pass : kPasses) {
      if (pass.needs != name || skipped(options, pass.name)) continue;
      return Error{ErrorCode::kInvalidInput, where, fmt::format("pass {} needs its result", pass.name),
                   fmt::format("skip {} too", pass.name)};
    }
  }
  return {};
}

// What a pass made of the graph must hold together; programs are verified as a whole at the end.
Status verify_after(const Compilation& compilation, std::string_view pass) {
  if (!compilation.groups.empty()) return {};
  Status status = verify_graph(compilation.graph);
  if (status.ok()) return {};
  Error error = status.take_error();
  error.where = fmt::format("after pass {}: {}", pass, error.where);
  return error;
}

}  // namespace

std::string_view fusion_name(Fusion fusion) {
  constexpr std::array<std::string_view, 3> kNames = {"none", "layer", "auto"};
  return kNames[static_cast<size_t>(fusion)];
}

std::vector<std::string_view> pass_names() {
  std::vector<std::string_view> names;
  for (const PassRecord& pass : kPasses) names.push_back(pass.name);
  return names;
}

Result<Program> compile(const Graph& graph, const ChipSpec& chip, const CompileOptions& options) {
  RDU_CHECK_OK(check_skips(options));
  Compilation compilation;
  compilation.chip = &chip;
  compilation.options = options;
  compilation.graph = graph;
  compilation.flops = graph_flops(graph);
  compilation.stages = std::make_shared<StageMemo>();
  for (const PassRecord& pass : kPasses) {
    if (skipped(options, pass.name)) continue;
    const auto start = std::chrono::steady_clock::now();
    RDU_CHECK_OK(pass.run(compilation));
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    RDU_CHECK_OK(verify_after(compilation, pass.name));
    if (options.after_pass) options.after_pass(pass.name, elapsed.count(), [&] { return dump(compilation); });
  }
  RDU_CHECK_OK(verify_program(compilation.program, chip.pcu.count, chip.pmu.count));
  if (options.explanation != nullptr) *options.explanation = explain(compilation);
  return std::move(compilation.program);
}

}  // namespace rdusim::compiler
