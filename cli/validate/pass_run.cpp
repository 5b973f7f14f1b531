#include "cli/validate/pass_run.h"

#include <fmt/format.h>

#include "sim/simulator.h"

namespace rdusim::cli {
namespace {

std::string command_line(const std::string& model, const PassChoice& pass, const CompileChoice& compile,
                         const NodeChoice& node) {
  std::string line = fmt::format("rdusim simulate {} --phase {} --batch {} --context {}", model, pass.phase,
                                 pass.batch, pass.context);
  if (node.node != NodeChoice{}.node) line += " --node " + node.node;
  if (!node.stack.empty()) line += " --stack " + node.stack;
  if (compile.fusion != CompileChoice{}.fusion) line += " --fusion " + compile.fusion;
  if (compile.orchestration != CompileChoice{}.orchestration)
    line += " --orchestration " + compile.orchestration;
  if (compile.loop) line += " --loop";
  if (compile.prefetch) line += " --prefetch";
  return line;
}

}  // namespace

Result<PassRun> run_pass(ValidationContext& context, const std::string& model, const PassChoice& pass,
                         const CompileChoice& compile, const NodeChoice& node) {
  const std::string command = command_line(model, pass, compile, node);
  context.progress.note(command);
  RDU_ASSIGN(auto chosen, load_node_and_stack(context.session, node));
  RDU_ASSIGN(const auto loaded, load_chosen_model(context.session, model));
  RDU_ASSIGN(const auto request, graph_request(pass));
  RDU_ASSIGN(const auto graph, loaded->build(request));
  RDU_ASSIGN(Program program, compiler::compile(graph, chosen.node.chip,
                                                compile_options(compile, chosen.node.sockets, chosen.stack)));
  RDU_ASSIGN(RunResult result, sim::run(program, chosen.node, chosen.stack, {}));
  return PassRun{std::move(program), std::move(result), std::move(chosen.node), command};
}

}  // namespace rdusim::cli
