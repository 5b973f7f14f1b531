#include "cli/medusa.h"

#include <fmt/format.h>

#include <charconv>

#include "base/io/file.h"
#include "compiler/compile.h"
#include "sim/simulator.h"

namespace rdusim::cli {
namespace {

// Rows of one model, in order of the heads: top[head][k].
Result<std::vector<std::vector<double>>> read_accuracies(const CsvTable& table, const std::string& model) {
  RDU_ASSIGN(const size_t name, table.column("model"));
  RDU_ASSIGN(const size_t first, table.column("top1"));
  std::vector<std::vector<double>> top;
  for (const CsvRow& row : table.rows) {
    if (row.cells[name] != model) continue;
    top.emplace_back();
    for (size_t c = first; c < row.cells.size(); ++c) {
      const std::string& cell = row.cells[c];
      double share = -1;
      const auto [end, problem] = std::from_chars(cell.data(), cell.data() + cell.size(), share);
      const double before = top.back().empty() ? 0 : top.back().back();
      if (problem != std::errc() || end != cell.data() + cell.size() || share < before || share > 1) {
        return Error{ErrorCode::kInvalidInput, fmt::format("{}:{}:1", table.path, row.line),
                     fmt::format("'{}' is no accuracy of the {} most likely", cell, top.back().size() + 1),
                     "shares from 0 to 1 that grow with k"};
      }
      top.back().push_back(share);
    }
  }
  if (!top.empty()) return top;
  return Error{ErrorCode::kNotFound, table.path, "has no rows of model " + model, ""};
}

Result<double> pass_seconds(const models::Model& model, const models::GraphRequest& request,
                            const ChosenNode& chosen, Fidelity fidelity, const MedusaChoice& choice) {
  RDU_ASSIGN(const auto graph, model.build(request));
  compiler::CompileOptions options;
  options.sockets = chosen.node.sockets;
  options.launch_s = chosen.stack.hardware_launch_s;
  options.loop = choice.loop;
  options.prefetch = choice.prefetch;
  RDU_ASSIGN(const Program program, compiler::compile(graph, chosen.node.chip, options));
  sim::RunOptions run;
  run.fidelity = fidelity;
  RDU_ASSIGN(const RunResult result, sim::run(program, chosen.node, chosen.stack, run));
  return result.latency_s();
}

models::GraphRequest decode_request(int64_t context, const std::vector<int64_t>& tree) {
  models::GraphRequest request;
  request.phase = models::Phase::kDecode;
  request.past_tokens = context;
  request.tree = tree;
  request.query_tokens = tree.empty() ? 1 : static_cast<int64_t>(tree.size());
  return request;
}

Result<MedusaStudy> read_inputs(Session& session, const MedusaChoice& choice) {
  const std::string published = session.config.config_dir + "/published/";
  const std::string tree_path = choice.tree.empty() ? published + "medusa_tree_7b_63.txt" : choice.tree;
  const std::string accuracy_path =
      choice.accuracies.empty() ? published + "medusa_heads.csv" : choice.accuracies;
  MedusaStudy study;
  RDU_ASSIGN(const std::string tree_text, read_text_file(tree_path));
  RDU_CHECK_OK(session.record_file(tree_path));
  RDU_ASSIGN(study.tree, models::CandidateTree::from_text(tree_text, tree_path));
  RDU_ASSIGN(const std::string accuracy_text, read_text_file(accuracy_path));
  RDU_CHECK_OK(session.record_file(accuracy_path));
  RDU_ASSIGN(const CsvTable table, parse_csv(accuracy_text, accuracy_path));
  RDU_ASSIGN(const auto top, read_accuracies(table, choice.accuracy_model));
  study.tokens_a_step = study.tree.expected_tokens(top);
  return study;
}

}  // namespace

Result<MedusaStudy> medusa_study(Session& session, const MedusaChoice& choice, Progress& progress) {
  RDU_ASSIGN(const auto chosen, load_node_and_stack(session, choice.node));
  RDU_ASSIGN(MedusaStudy study, read_inputs(session, choice));
  RDU_ASSIGN(const auto base, load_chosen_model(session, choice.base));
  RDU_ASSIGN(const auto heads, load_chosen_model(session, choice.heads));
  const Fidelity fidelity = choice.fidelity == "event" ? Fidelity::kEvent : Fidelity::kAnalytic;
  models::GraphRequest heads_request;
  heads_request.phase = models::Phase::kDecode;
  heads_request.query_tokens = static_cast<int64_t>(study.tree.nodes().size());
  progress.note("simulating " + choice.heads);
  RDU_ASSIGN(const double heads_s, pass_seconds(*heads, heads_request, chosen, fidelity, choice));
  for (const int64_t context : choice.contexts) {
    progress.note(fmt::format("simulating {}, {} cached tokens", choice.base, context));
    MedusaStep step;
    step.context = context;
    step.heads_s = heads_s;
    step.host_s = chosen.stack.step_s;
    RDU_ASSIGN(step.plain_s, pass_seconds(*base, decode_request(context, {}), chosen, fidelity, choice));
    RDU_ASSIGN(step.tree_s,
               pass_seconds(*base, decode_request(context, study.tree.parents()), chosen, fidelity, choice));
    study.steps.push_back(step);
  }
  return study;
}

}  // namespace rdusim::cli
