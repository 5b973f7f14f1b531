#include "compiler/compile.h"

#include <chrono>

#include "compiler/ops/op.h"
#include "compiler/passes/pass.h"

namespace rdusim::compiler {
namespace {

struct PassRecord {
  std::string_view name;
  Status (*run)(Compilation&);
};

constexpr PassRecord kPasses[] = {
#define RDU_PASS(function, name, doc) {name, &function},
#include "compiler/passes/passes.def"
#undef RDU_PASS
};

int64_t graph_flops(const Graph& graph) {
  int64_t flops = 0;
  for (const Node& node : graph.nodes) flops += op_record(node.op).cost(graph, node).flops;
  return flops;
}

}  // namespace

std::vector<std::string_view> pass_names() {
  std::vector<std::string_view> names;
  for (const PassRecord& pass : kPasses) names.push_back(pass.name);
  return names;
}

Result<Program> compile(const Graph& graph, const ChipSpec& chip, const CompileOptions& options) {
  Compilation compilation{&chip, options, graph, graph_flops(graph), {}, 0, {}, {}};
  for (const PassRecord& pass : kPasses) {
    const auto start = std::chrono::steady_clock::now();
    RDU_CHECK_OK(pass.run(compilation));
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    if (options.after_pass) options.after_pass(pass.name, elapsed.count(), [&] { return dump(compilation); });
  }
  RDU_CHECK_OK(verify_program(compilation.program, chip.pcu.count, chip.pmu.count));
  return std::move(compilation.program);
}

}  // namespace rdusim::compiler
